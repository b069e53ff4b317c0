package validate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pavise/pavise/validate"
)

// Structs are checked wherever they are, with or without dive.
func TestAutoDive(t *testing.T) {
	type leaf struct {
		N int `json:"n" validate:"max=1"`
	}
	type in struct {
		Slice  []leaf                        `json:"slice"`
		Deep   []map[string][]*leaf          `json:"deep"`
		Opt    validate.Opt[[]leaf]          `json:"opt"`
		Array  [1]leaf                       `json:"array"`
		Sized  []leaf                        `json:"sized" validate:"max=5"`
		Named  map[string]leaf               `json:"named" validate:"dive,keys,max=2,endkeys"`
		Skip   []leaf                        `json:"skip" validate:"-"`
		Struct *leaf                         `json:"struct"`
		Wide   map[string]validate.Opt[leaf] `json:"wide"`
	}
	s := validate.Must(validate.For[in](validate.Config{}))
	_, err := s.JSON([]byte(`{"slice":[{"n":1},{"n":2}],"deep":[{"a~/":[{"n":2}]}],"opt":[{"n":2}],"array":[{"n":2}],
		"sized":[{"n":2}],"named":{"abc":{"n":1},"b":{"n":2}},"skip":[{"n":2}],"struct":{"n":2},"wide":{"w":{"n":2}}}`))
	want := "max /slice/1/n, max /deep/0/a~0~1/0/n, max /opt/0/n, max /array/0/n, max /sized/0/n, max /named/abc, " +
		"max /named/b/n, max /struct/n, max /wide/w/n"
	if codes(err) != want {
		t.Errorf("got  %s\nwant %s", codes(err), want)
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	type in struct {
		Page int    `query:"page" validate:"gte=1"`
		A    int    `json:"a" validate:"required"`
		B    string `json:"b" validate:"required"`
		C    []int  `json:"c" validate:"dive,max=1"`
	}
	s := validate.Must(validate.For(validate.Config{},
		validate.Cross("sum", func(in *in) bool { return false }, "/a", "/c"),
		validate.Cross("apart", func(in *in) bool { return false }),
		validate.Ctx("late", func(context.Context, *in) (bool, error) { t.Error("Ctx ran"); return true, nil }, "/b"),
	))
	_, err := s.JSON([]byte(`{"a":"x","zz":1,"b":"","c":[0,5,7.5]}`))
	if want := "type /a, type /c/2, unknown , required /b, max /c/1"; sorted(codes(err)) != sorted(want) {
		t.Errorf("got %s, want %s", codes(err), want)
	}
}

func sorted(s string) string {
	m := map[string]bool{}
	for _, c := range strings.Split(s, ", ") {
		m[c] = true
	}
	return fmt.Sprint(m)
}

func TestChecks(t *testing.T) {
	type in struct {
		A    int    `json:"a"`
		B    int    `json:"b"`
		Name string `json:"name" validate:"max=3"`
	}
	boom := errors.New("the database is gone")
	s := validate.Must(validate.For(validate.Config{},
		validate.Cross("order", func(v *in) bool { return v.A <= v.B }, "/a", "/b"),
		validate.Cross("whole", func(v *in) bool { return v.A != 7 }),
		validate.Ctx("taken", func(_ context.Context, v *in) (bool, error) {
			if v.Name == "err" {
				return false, boom
			}
			return v.Name != "bob", nil
		}, "/name"),
	))
	for body, want := range map[string]string{
		`{"a":1,"b":2}`:                 "",
		`{"a":2,"b":1}`:                 "order /a, order /b",
		`{"a":7,"b":9,"name":"bob"}`:    "whole ",
		`{"a":1,"b":2,"name":"bob"}`:    "taken /name",
		`{"a":2,"b":1,"name":"bobbie"}`: "max /name, order /a, order /b",
		`{"a":"x","b":1,"name":"bob"}`:  "type /a",
	} {
		if _, err := s.JSON([]byte(body)); codes(err) != want {
			t.Errorf("%s: %q, want %q", body, codes(err), want)
		}
	}
	if _, err := s.JSON([]byte(`{"name":"err"}`)); !errors.Is(err, boom) || codes(err) != "" {
		t.Errorf("got %v", err)
	}
}
