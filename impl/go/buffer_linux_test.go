package kcom5

// Which buffers were asked for, as Linux tells it.

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestAPathsBufferIsLargeForMuchDataWhereTheSystemGrantsIt(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/wmem_max")
	if err != nil {
		t.Fatal(err)
	}
	most, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	for _, size := range []int{64 << 10, 64<<10 + 1} {
		largest := 0
		server, client := &Server{}, &Client{}
		server.Path = filepath.Join(t.TempDir(), "s")
		client.Path = server.Path
		if _, err := server.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
		client.Progress = func(uint64, uint64) {
			for fd := 0; fd < 256; fd++ {
				if has, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF); err == nil && has > largest {
					largest = has
				}
			}
		}
		sent := make(chan error, 1)
		go func() { sent <- errOf(server.Send(context.Background(), counter(size))) }()
		_, err := client.Receive(context.Background())
		if err := first(err, <-sent); err != nil {
			t.Error(err)
		}
		// The system counts twice what is asked for.
		if isLarge := largest >= 2<<20; isLarge != (size > 64<<10 && most >= 1<<20) {
			t.Errorf("%d octets: a buffer of %d, the system grants %d", size, largest, most)
		}
	}
}
