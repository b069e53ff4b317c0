package validate

import (
	"context"
	"reflect"
	"strconv"
	"testing"
)

// PassesForTest checks one value by a tag, in a struct type made for it.
func PassesForTest(t *testing.T, typ reflect.Type, tag string, value any) bool {
	t.Helper()
	st := reflect.StructOf([]reflect.StructField{{
		Name: "A", Type: typ, Tag: reflect.StructTag(`json:"a" validate:` + strconv.Quote(tag)),
	}})
	p, err := newPlan(st, Config{})
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.New(st).Elem()
	v.Field(0).Set(reflect.ValueOf(value))
	rep := &report{}
	if err := p.walk(context.Background(), v, rep, true); err != nil {
		t.Fatal(err)
	}
	return rep.status == 0
}

// CompileForTest compiles a type that is known by reflection only.
func CompileForTest(t reflect.Type) error {
	_, err := newPlan(t, Config{})
	return err
}
