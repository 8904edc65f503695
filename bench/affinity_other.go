//go:build !linux

package main

import (
	"errors"
	"os/exec"
)

// allowedCPUs lists the CPUs that this process may run on.
func allowedCPUs() ([]int, error) { return nil, errors.ErrUnsupported }

// startOn starts a process; here it cannot be told where to run.
func startOn(cmd *exec.Cmd, cpus []int) error { return cmd.Start() }
