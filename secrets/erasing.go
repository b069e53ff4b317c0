//go:build !goexperiment.runtimesecret

package secrets

// erasing runs f, which handles a value in the clear.
func erasing(f func()) { f() }
