// Kcom5 sends or receives one message and one block of data, and packs and unpacks addresses: `kcom5 --help`.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"kcom5"
	"kcom5/internal/leftover"
	"kcom5/internal/wholefile"
)

func main() {
	signal.Ignore(failing...)
	openClosed()
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	for _, one := range endings {
		if !wasIgnored(one.(syscall.Signal)) {
			signal.Notify(signals, one)
		} else {
			signal.Ignore(one)
		}
	}
	program := &program{speaker: newSpeaker()}
	ended := make(chan error, 1)
	go func() { ended <- program.run(ctx, os.Args[1:]) }()
	select {
	case err := <-ended:
		os.Exit(program.fail(err))
	case which := <-signals:
		cancel()
		code := 128 + int(which.(syscall.Signal))
		go func() { os.Exit(program.interrupted(ended, code)) }()
		time.Sleep(3 * time.Second) // longer only if standard error blocks, too
		os.Exit(code)
	}
}

// openClosed opens the null device on closed standard streams, or a file or socket would take their numbers.
func openClosed() {
	for fd := 0; fd < 3; fd++ {
		if wasClosed(fd) {
			if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil && null.Fd() > 2 {
				null.Close() // the runtime has done it
			} else if err == nil {
				opened = append(opened, null) // and it must stay open
			}
		}
	}
}

var opened []*os.File

type program struct {
	*speaker
	command string
}

// interrupted prints the outcome, and returns the exit code. A call that had succeeded stays a success.
func (p *program) interrupted(ended chan error, code int) int {
	select {
	case err := <-ended:
		if err == nil {
			return 0
		}
		p.sayError("interrupted", p.fate(err))
	case <-time.After(2 * time.Second): // a blocked call cannot be interrupted
		leftover.RemoveAll()
		(&speaker{}).sayError("interrupted", p.fate(nil)) // the other speaker is in use
	}
	return code
}

// fate returns what was delivered, judged by the failure of the call.
func (p *program) fate(err error) string {
	var failed *kcom5.Error
	var partial *wholefile.Partial
	if errors.As(err, &partial) {
		return count(partial.Written) + " bytes were written to " + partial.File + ", which is not the whole"
	}
	if p.command != "send" {
		return "nothing was delivered"
	}
	if errors.As(err, &failed) {
		switch failed.State {
		case "hello", "sending", "half-closed":
			return "the transfer was not complete"
		case "confirming", "draining":
			return "everything was sent, but the client did not confirm it"
		}
	}
	return "no client had connected"
}

// run executes the command line.
func (p *program) run(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return usage("expected send, receive, pack or unpack")
	}
	switch words[0] {
	case "--version":
		return p.printTo(os.Stdout, "kcom5 "+kcom5.Version)
	case "--help", "-h":
		return p.printTo(os.Stdout, strings.TrimSuffix(help(), "\n"))
	}
	command, err := findCommand(words[0])
	if err != nil {
		return err
	}
	a, err := parse(command, words[1:])
	if err != nil {
		return err
	}
	if a.has("--help") {
		return p.printTo(os.Stdout, strings.TrimSuffix(command.help(), "\n"))
	}
	p.command, p.isQuiet = command.name, a.has("--quiet")
	if a.has("--json") {
		p.json = os.Stdout
		if a.usesOutput() {
			p.json = os.Stderr
		}
	}
	return command.do(ctx, p, a)
}

func systemError(name string, err error) error {
	var number syscall.Errno
	detail := err.Error()
	if errors.As(err, &number) {
		detail = number.Error()
	}
	return &kcom5.Error{Name: kcom5.ErrIO, Detail: name + ": " + detail, Cause: err}
}

// needOutput fails if standard output was closed.
func needOutput() error {
	if wasClosed(1) {
		return &kcom5.Error{Name: kcom5.ErrIO, Detail: "standard output is closed"}
	}
	return nil
}

// needInput fails if standard input was closed, which is not the same as empty.
func needInput() error {
	if wasClosed(0) {
		return &kcom5.Error{Name: kcom5.ErrIO, Detail: "standard input is closed"}
	}
	return nil
}
