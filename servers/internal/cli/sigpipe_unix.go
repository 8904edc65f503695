//go:build unix

package cli

import (
	"os/signal"
	"syscall"
)

// ignoreBrokenPipes keeps the server alive when whoever read its log is gone.
func ignoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }
