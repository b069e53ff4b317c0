//go:build !unix

package secrets

// nonblock is for systems that keep FIFOs out of the file system.
const nonblock = 0
