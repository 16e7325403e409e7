package kcom5

import (
	"flag"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

const patience = 40 * time.Second // a wait that is longer is a hang

// noIPv6 is why this machine has no ::1; nil if it has.
var noIPv6 = func() error {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return err
	}
	return listener.Close()
}()

// TestMain leaves out the examples, which cannot be skipped, where there is no ::1.
func TestMain(m *testing.M) {
	flag.Parse()
	if run := flag.Lookup("test.run"); noIPv6 != nil && run.Value.String() == "" {
		fmt.Println("NOT RUN: the examples: there is no ::1:", noIPv6)
		run.Value.Set("^Test")
	}
	os.Exit(m.Run())
}

func needIPv6(t *testing.T) {
	t.Helper()
	if noIPv6 != nil {
		t.Skip("NOT RUN: there is no ::1:", noIPv6)
	}
}
