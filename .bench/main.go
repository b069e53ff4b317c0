// Command bench runs the benchmarks of this module and prints each piece of
// work beside its peers, as ratios:
//
//	GOWORK=off go run -C .bench . [-rounds 5] [-time 200ms] [-cpu 1] [package ...]
//
// One top-level benchmark is one piece of work, its sub-benchmarks are pavise
// and the peers that do the same. A round runs all of them once, one after the
// other, so that a ratio compares runs of the same moment; the table holds the
// median of the rounds.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often everything runs; the table shows medians")
	length := flag.String("time", "200ms", "-test.benchtime of each run")
	cpu := flag.Int("cpu", 1, "-test.cpu of each run")
	flag.Parse()
	if err := run(os.Stdout, flag.Args(), *rounds, *length, *cpu); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, packages []string, rounds int, length string, cpu int) error {
	if len(packages) == 0 {
		found, err := filepath.Glob("*/bench_test.go")
		if err != nil {
			return err
		}
		for _, name := range found {
			packages = append(packages, filepath.Dir(name))
		}
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	fmt.Fprintf(w, "%s %s/%s, %d rounds of %s, %d cpu; peers at the versions of go.mod\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, rounds, length, cpu)
	for _, name := range packages {
		binary := filepath.Join(dir, name+".test")
		if out, err := exec.Command("go", "test", "-c", "-o", binary, "./"+name).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		var all table
		for range rounds {
			cmd := exec.Command(binary, "-test.run=^$", "-test.bench=.", "-test.benchmem", "-test.benchtime="+length, "-test.cpu="+strconv.Itoa(cpu))
			cmd.Dir, cmd.Stderr = name, os.Stderr
			out, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", name, err, out)
			}
			all.read(out)
		}
		all.print(w, name)
	}
	return nil
}

// A table holds the results of one package: for each work, in order of
// appearance, its runners.
type table []*work

type work struct {
	name    string
	runners []*runner
}

type runner struct {
	name             string
	ns, bytes, alloc []float64
}

// read adds one round: lines such as "BenchmarkSeal/pavise 100 123 ns/op 45 B/op 6 allocs/op".
func (t *table) read(out []byte) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		at := strings.LastIndex(lines.Text(), "/op")
		if len(fields) < 4 || at < 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name, who := filepath.Split(strings.TrimPrefix(fields[0], "Benchmark"))
		r := t.runner(strings.TrimSuffix(name, "/"), who)
		for i := 3; i < len(fields); i += 2 {
			value, _ := strconv.ParseFloat(fields[i-1], 64)
			switch fields[i] {
			case "ns/op":
				r.ns = append(r.ns, value)
			case "B/op":
				r.bytes = append(r.bytes, value)
			case "allocs/op":
				r.alloc = append(r.alloc, value)
			}
		}
	}
}

func (t *table) runner(name, who string) *runner {
	i := slices.IndexFunc(*t, func(w *work) bool { return w.name == name })
	if i < 0 {
		*t, i = append(*t, &work{name: name}), len(*t)
	}
	w := (*t)[i]
	j := slices.IndexFunc(w.runners, func(r *runner) bool { return r.name == who })
	if j < 0 {
		w.runners, j = append(w.runners, &runner{name: who}), len(w.runners)
	}
	return w.runners[j]
}

func (t table) print(w io.Writer, name string) {
	fmt.Fprintf(w, "\n## %s\n\n| work | by | ns/op | B/op | allocs/op | time against pavise |\n|---|---|---:|---:|---:|---:|\n", name)
	for _, work := range t {
		ours := slices.IndexFunc(work.runners, func(r *runner) bool { return r.name == "pavise" })
		for _, r := range work.runners {
			ratio := "–"
			if ours >= 0 && r != work.runners[ours] {
				ratio = fmt.Sprintf("%.2f×", median(ratios(r.ns, work.runners[ours].ns)))
			}
			fmt.Fprintf(w, "| %s | %s | %.0f | %.0f | %.0f | %s |\n", work.name, r.name, median(r.ns), median(r.bytes), median(r.alloc), ratio)
		}
	}
}

// ratios pairs the rounds.
func ratios(peer, ours []float64) (out []float64) {
	for i := range min(len(peer), len(ours)) {
		out = append(out, peer[i]/ours[i])
	}
	return out
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
