package reactor

type pipeState struct{}

func (*pipeState) close() error { return nil }
