//go:build unix

package secrets

import "syscall"

// nonblock keeps a FIFO in place of a file from blocking the program for ever.
const nonblock = syscall.O_NONBLOCK
