//go:build !linux

package main

import (
	"errors"
	"time"
)

// A usage is what a process has used since it began.
type usage struct {
	cpu      time.Duration
	switches uint64
	machine  time.Duration
}

func readUsage(pid int) (usage, error) { return usage{}, errors.ErrUnsupported }

func readRSS(pid int) (uint64, error) { return 0, errors.ErrUnsupported }
