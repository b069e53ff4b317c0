package validate

import (
	"errors"
	"fmt"
)

// Limits bound what a request may cost before it is known to be good. A zero field means its default, never
// "no limit"; a negative one is an error of For.
type Limits struct {
	// Body is the size of the body in bytes. Default 1 MiB.
	Body int64
	// Depth is how deep arrays and objects may nest. Default 32, at most 1000.
	Depth int
	// Tokens is how many JSON values the body may hold. Default 100,000.
	Tokens int
	// Members is how many members one JSON object, or pairs one form or query, may have. Default 1000.
	Members int
	// Array is how many elements one array or repeated parameter may have. Default 10,000.
	Array int
	// String is the length of one string in bytes, as sent. Default 64 KiB.
	String int
	// Name is the length of one member name in bytes, as sent. Default 128.
	Name int
	// Number is the length of one number in bytes. Default 64.
	Number int
	// Memory is what the decoded body may occupy in bytes: the size of the Go elements that arrays, maps and pointers
	// ask for, doubled for the growth of slices and maps, plus the strings and what a map takes at least. Default
	// max(1 MiB, 8 × the body's size).
	Memory int64
}

const (
	minMemory     = 1 << 20
	memoryPerByte = 8
	maxDepth      = 1000 // encoding/json gives up at 10,000; the scanner recurses and stays far below
)

func (l Limits) withDefaults() (Limits, error) {
	if l.Body < 0 || l.Memory < 0 {
		return l, errors.New("validate: a limit is negative")
	}
	if l.Body == 0 {
		l.Body = 1 << 20
	}
	for _, f := range []struct {
		value *int
		def   int
	}{
		{&l.Depth, 32},
		{&l.Tokens, 100_000},
		{&l.Members, 1000},
		{&l.Array, 10_000},
		{&l.String, 64 << 10},
		{&l.Name, 128},
		{&l.Number, 64},
	} {
		if *f.value < 0 {
			return l, errors.New("validate: a limit is negative")
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	if l.Depth > maxDepth {
		return l, fmt.Errorf("validate: Limits.Depth is above %d", maxDepth)
	}
	return l, nil
}

func (l *Limits) memory(body int) int64 {
	if l.Memory > 0 {
		return l.Memory
	}
	return max(minMemory, memoryPerByte*int64(body))
}
