package main

import (
	"strings"
	"testing"
)

// The table must pair rounds: a machine that slows down halfway changes both
// sides of a ratio.
func TestRatiosArePairedByRound(t *testing.T) {
	var all table
	all.read([]byte("BenchmarkSeal/pavise 10 100 ns/op 64 B/op 2 allocs/op\nBenchmarkSeal/peer 10 300 ns/op 128 B/op 9 allocs/op\nok\n"))
	all.read([]byte("BenchmarkSeal/pavise 10 1000 ns/op 3.5 MB/s 64 B/op 2 allocs/op\nBenchmarkSeal/peer 10 3000 ns/op 128 B/op 9 allocs/op\n"))
	var out strings.Builder
	all.print(&out, "crypto")
	for _, want := range []string{"| Seal | pavise | 1000 | – | 64 | 2 | – | – |", "| Seal | peer | 3000 | – | 128 | 9 | 3.00× | – |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no row %q in\n%s", want, out.String())
		}
	}
}

// CPU time counts where it is reported, raw is a base as pavise is, and the number of
// cores that testing appends to a name is no part of it.
func TestRatiosOfCPUTime(t *testing.T) {
	var all table
	all.read([]byte("BenchmarkSeal/pavise-2 10 900 ns/op 80 cpu-ns/op 64 B/op 2 allocs/op\n" +
		"BenchmarkSeal/raw-2 10 700 ns/op 10 cpu-ns/op 0 B/op 0 allocs/op\n"))
	var out strings.Builder
	all.print(&out, "crypto")
	for _, want := range []string{"| Seal | pavise | 900 | 80 | 64 | 2 | – | 8.00× |", "| Seal | raw | 700 | 10 | 0 | 0 | 0.12× | – |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no row %q in\n%s", want, out.String())
		}
	}
}
