package kcom5

import (
	"errors"
	"os"
	"testing"
	"time"
)

// (`time.bounds`: to try it by reading then would take the time twice)
func TestToFillAPipeEndsInTime(t *testing.T) {
	server, conn, err := opened(background)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	defer conn.Close()
	pipe := openPipe()
	defer pipe.close()
	if _, err = newStream(background, conn).fill(pipe, 1, time.Now()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
