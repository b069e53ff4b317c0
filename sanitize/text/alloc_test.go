//go:build !race

package text_test

import (
	"testing"

	"github.com/pavise/pavise/sanitize/text"
)

func TestSafeValuesAllocateNothing(t *testing.T) {
	for name, f := range map[string]func(){
		"LogValue":       func() { text.LogValue("GET /inbox?page=2 für Zoë") },
		"RedirectTarget": func() { text.RedirectTarget("/inbox?page=2") },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
