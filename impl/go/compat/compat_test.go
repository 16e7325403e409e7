package compat

import (
	"context"
	"errors"
	"math"
	"testing"

	"kcom5"
)

func TestSmallestNumbersAreInvalidPorts(t *testing.T) {
	for _, port := range []int{-1, math.MinInt32, math.MinInt} {
		server := kcom5.Server{Port: Port(port)}
		if _, err := server.Open(context.Background()); !errors.Is(err, kcom5.ErrInvalidPort) {
			t.Errorf("port %d: got %v, expected invalid-port", port, err)
		}
	}
	if Port(0) != kcom5.AnyPort {
		t.Error("0 does not let the kernel choose")
	}
}
