package main

import (
	"context"
	"strings"
	"testing"
)

func TestWhatMayBeAKeyIsNotRepeated(t *testing.T) {
	const key = "5ec1e75ec1e7"
	for _, words := range [][]string{{"send", "--message-file", key, "x"}, {"unpack", "--" + key}} {
		err := (&program{speaker: newSpeaker()}).run(context.Background(), words)
		if err == nil || strings.Contains(err.Error(), "5e") {
			t.Errorf("%v: %v", words, err)
		}
	}
}

func TestVisibleTextIsShownAsItIs(t *testing.T) {
	if text := "\"\\\u3000\ufffd"; visible(text) != text || quoteASCII(text) != `"\"\\\u3000\ufffd"` {
		t.Error(visible(text), quoteASCII(text))
	}
}

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
