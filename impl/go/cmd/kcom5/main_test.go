package main

import (
	"context"
	"testing"
)

// With the race detector: a call that is given up, and what is told of it.
func TestAnInterruptionIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	program, ended := &program{speaker: newSpeaker()}, make(chan error, 1)
	go func() { ended <- program.run(ctx, []string{"send", "--ipv4", "--port", "0", "/dev/null"}) }()
	cancel()
	if code := program.interrupted(ended, 130); code != 130 {
		t.Error(code)
	}
}
