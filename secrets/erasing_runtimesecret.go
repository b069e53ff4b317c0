//go:build goexperiment.runtimesecret

package secrets

import "runtime/secret"

// erasing runs f, which handles a value in the clear, and has the runtime erase
// the stack, registers and heap that f used.
func erasing(f func()) { secret.Do(f) }
