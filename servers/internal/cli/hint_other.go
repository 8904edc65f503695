//go:build !wasip1

package cli

// hint says what to do about an error: here the error says it all.
func hint(error) string { return "" }
