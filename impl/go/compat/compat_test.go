package compat

import (
	"math"
	"testing"

	"kcom5"
)

// (`listen.port`)
func TestOnlyZeroLetsTheSystemChooseAPort(t *testing.T) {
	if Port(0) != kcom5.AnyPort || Port(math.MinInt) == kcom5.AnyPort || Port(math.MinInt) >= 0 {
		t.Error(Port(0), Port(math.MinInt))
	}
}
