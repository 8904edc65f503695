//go:build !race

package reactor

const raceEnabled = false

func raceRelease()     {}
func raceRead([]byte)  {}
func raceWrite([]byte) {}
