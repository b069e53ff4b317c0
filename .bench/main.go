// Command bench runs the benchmarks of this module and prints each piece of
// work beside its peers, as ratios:
//
//	GOWORK=off go run -C .bench . [-rounds 5] [-time 200ms] [-cpu 1] [package ...]
//
// One top-level benchmark is one piece of work, its sub-benchmarks are pavise
// and the peers that do the same; raw, where it is there, is the bare primitive. A
// round runs all of them once, one after the other, so that a ratio compares runs of
// the same moment; the table holds the median of the rounds. Ratios are of CPU time
// where a benchmark reports it (cpu-ns/op), of wall time otherwise.
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
	"regexp"
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
	name                  string
	ns, cpu, bytes, alloc []float64
}

// cost is what ratios are made of.
func (r *runner) cost() []float64 {
	if len(r.cpu) > 0 {
		return r.cpu
	}
	return r.ns
}

// cores is what testing appends to a name if -cpu is not 1.
var cores = regexp.MustCompile(`-\d+$`)

// read adds one round: lines such as "BenchmarkSeal/pavise 100 123 ns/op 45 B/op 6 allocs/op".
func (t *table) read(out []byte) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		at := strings.LastIndex(lines.Text(), "/op")
		if len(fields) < 4 || at < 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name, who := filepath.Split(strings.TrimPrefix(cores.ReplaceAllString(fields[0], ""), "Benchmark"))
		r := t.runner(strings.TrimSuffix(name, "/"), who)
		for i := 3; i < len(fields); i += 2 {
			value, _ := strconv.ParseFloat(fields[i-1], 64)
			switch fields[i] {
			case "ns/op":
				r.ns = append(r.ns, value)
			case "cpu-ns/op":
				r.cpu = append(r.cpu, value)
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
	fmt.Fprintf(w, "\n## %s\n\n| work | by | ns/op | CPU ns/op | B/op | allocs/op | against pavise | against raw |\n|---|---|---:|---:|---:|---:|---:|---:|\n", name)
	for _, work := range t {
		for _, r := range work.runners {
			cpu := "–"
			if len(r.cpu) > 0 {
				cpu = fmt.Sprintf("%.0f", median(r.cpu))
			}
			fmt.Fprintf(w, "| %s | %s | %.0f | %s | %.0f | %.0f | %s | %s |\n", work.name, r.name,
				median(r.ns), cpu, median(r.bytes), median(r.alloc), work.against("pavise", r), work.against("raw", r))
		}
	}
}

// against returns how much more than the runner of that name r costs.
func (w *work) against(name string, r *runner) string {
	i := slices.IndexFunc(w.runners, func(r *runner) bool { return r.name == name })
	if i < 0 || r == w.runners[i] {
		return "–"
	}
	return fmt.Sprintf("%.2f×", median(ratios(r.cost(), w.runners[i].cost())))
}

// ratios pairs the rounds.
func ratios(peer, base []float64) (out []float64) {
	for i := range min(len(peer), len(base)) {
		out = append(out, peer[i]/base[i])
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
