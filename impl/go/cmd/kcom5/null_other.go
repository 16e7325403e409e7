//go:build !linux && !darwin

package main

import "os"

func isOpenedByRuntime(int, *os.File) bool { return false }
