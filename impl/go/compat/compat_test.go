package compat

import (
	"math"
	"testing"

	"kcom5"
)

// (`listen.port`)
func TestOnlyZeroLetsTheSystemChooseAPort(t *testing.T) {
	if Port(0) != kcom5.AnyPort {
		t.Error("0 does not")
	}
	if port := Port(math.MinInt); port == kcom5.AnyPort || port >= 0 {
		t.Error("the smallest number stands for", port)
	}
}
