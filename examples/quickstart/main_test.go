package main

import (
	"os"
	"strings"
	"testing"
)

// The README shows what this program prints.
func TestOutputIsWhatTheReadmeShows(t *testing.T) {
	var out strings.Builder
	run(t.Context(), &out)
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "\n```text\n"+out.String()+"```\n") {
		t.Errorf("README.md does not show this output:\n%s", out.String())
	}
}
