//go:build !wasip1

package main

import (
	"errors"

	"github.com/goreactor/reactor"
)

func (g *guest) cost(int, int, reactor.Mode) (string, error) { return "", errors.ErrUnsupported }
