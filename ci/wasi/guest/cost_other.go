//go:build !wasip1

package main

import "errors"

func (g *guest) cost(int) (string, error) { return "", errors.ErrUnsupported }
