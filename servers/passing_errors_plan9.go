package servers

// Plan 9's errors are strings, and package reactor has no sockets there.

func isAborted(error) bool   { return false }
func isExhausted(error) bool { return false }
func isLate(error) bool      { return false }
