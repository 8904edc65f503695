//go:build !unix

package cli

// ignoreBrokenPipes does nothing: here a write to a broken pipe is an error like another.
func ignoreBrokenPipes() {}
