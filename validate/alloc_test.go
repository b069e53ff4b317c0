package validate

import (
	"context"
	"reflect"
	"testing"
)

type guarded struct {
	ID    string   `json:"id" validate:"required,uuid4"`
	Name  string   `json:"name" validate:"required,max=100,text"`
	Email string   `json:"email" validate:"required,email"`
	Age   int      `json:"age" validate:"present,gte=0,lte=130"`
	Tags  []string `json:"tags" validate:"max=10,dive,slug"`
	Kids  []struct {
		Name string      `json:"name" validate:"max=9"`
		Nick Opt[string] `json:"nick" validate:"max=9"`
	} `json:"kids"`
}

const guardedBody = `{"id":"f81d4fae-7dec-41d0-a765-00a0c91e6bf6","name":"Ada","email":"ada@example.com","age":3,` +
	`"tags":["a","b-c"],"kids":[{"name":"Byron","nick":"B"},{"name":"\u0041nne"}]}`

// Scanning and judging what is good cost no more than the report.
func TestAllocations(t *testing.T) {
	p, err := newPlan(reflect.TypeFor[guarded](), Config{})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(guardedBody)
	rep := &report{}
	if n := testing.AllocsPerRun(100, func() { p.scan(data, rep) }); n > 0 || rep.status != 0 {
		t.Errorf("scan: %v allocations, status %d", n, rep.status)
	}
	s := Must(For[guarded](Config{}))
	in, err := s.JSON(data)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() { err = s.Struct(ctx, &in) }); n > 1 || err != nil {
		t.Errorf("Struct: %v allocations, %v", n, err)
	}
}

func BenchmarkScan(b *testing.B) {
	p, err := newPlan(reflect.TypeFor[guarded](), Config{})
	if err != nil {
		b.Fatal(err)
	}
	data := []byte(guardedBody)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		p.scan(data, &report{})
	}
}
