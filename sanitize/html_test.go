package sanitize_test

import (
	"testing"
)

func TestBenign(t *testing.T) {
	s := presets["article"]
	for in, want := range benign {
		if got := string(s.HTML(in)); got != want {
			t.Errorf("HTML(%q)\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestProperties(t *testing.T) {
	inputs := hostile
	for in := range benign {
		inputs = append(inputs, in)
	}
	for name, s := range presets {
		for _, in := range inputs {
			checkHTML(t, name, s, in)
		}
		if n := s.Unverified(); n != 0 {
			t.Errorf("%s: the verifier refused %d outputs", name, n)
		}
	}
}
