//go:build linux || darwin

package kcom5

// Every conversation of the vectors over live sockets, with a peer made of nothing but sockets.

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kcom5/internal/vectors"
)

const (
	tick     = 20 * time.Millisecond
	patience = 40 * time.Second // a wait that is longer is a hang
)

// errNotRun: this machine cannot show it. What wraps it says why.
var errNotRun = errors.New("not to be had here")

// noIPv6 is why this machine has no ::1; nil if it has.
var noIPv6 = func() error {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return fmt.Errorf("%w: %v", errNotRun, err)
	}
	return listener.Close()
}()

// TestMain leaves out the examples, which cannot be skipped, where there is no ::1.
func TestMain(m *testing.M) {
	flag.Parse()
	if run := flag.Lookup("test.run"); noIPv6 != nil && run.Value.String() == "" {
		fmt.Println("NOT RUN: the examples:", noIPv6)
		run.Value.Set("^Test")
	}
	os.Exit(m.Run())
}

func needIPv6(t *testing.T) {
	t.Helper()
	if noIPv6 != nil {
		t.Skip("NOT RUN:", noIPv6)
	}
}

// result is how a call of the implementation ended.
type result struct {
	err     error
	message string
	data    []byte

	confirmed bool
}

// conversation is one run of a vector over one transport.
type conversation struct {
	vectors.Vector
	via       string
	path      string
	scale     int // by what T is multiplied
	port      int
	nonce     [3]byte
	conn      net.Conn
	results   chan result
	result    *result
	start     time.Time // of the wait that ends it
	end       time.Time
	connected func() (net.Conn, error) // dials the server under test
}

func TestEveryConversationOverLiveSockets(t *testing.T) {
	all, err := vectors.Load("../../vectors")
	if err != nil {
		t.Fatal(err)
	}
	var timed, others []func()
	var mutex sync.Mutex
	count, notRun := 0, 0
	for _, v := range all {
		if v.Op != "" {
			continue
		}
		via := v.Via
		if via == nil {
			via = []string{"tcp6", "tcp4", "unix"}
		}
		for _, via := range via {
			v, via := v, via
			run := func() {
				err := converse(v, via, 1)
				// On a busy machine the peer misses its own times, the less the longer T is.
				for scale := 2; scale <= 8 && v.Give.Close != nil && err != nil && !errors.Is(err, errNotRun); scale *= 2 {
					if converse(v, via, scale) == nil {
						err = nil
					}
				}
				mutex.Lock()
				defer mutex.Unlock()
				if errors.Is(err, errNotRun) {
					fmt.Printf("NOT RUN: %s over %s: %v\n", v.ID, via, err)
					notRun++
					return
				}
				count++
				if err != nil {
					t.Errorf("%s over %s: %v", v.ID, via, err)
				}
			}
			if v.Give.Close != nil {
				timed = append(timed, run)
			} else {
				others = append(others, run)
			}
		}
	}
	inParallel(4, others)
	inParallel(48, timed) // apart: the others would disturb the clock
	fmt.Printf("live: %d conversations, %d not run\n", count, notRun)
}

func inParallel(most int, all []func()) {
	queue := make(chan func())
	var group sync.WaitGroup
	for i := 0; i < most; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for run := range queue {
				run()
			}
		}()
	}
	for _, run := range all {
		queue <- run
	}
	close(queue)
	group.Wait()
}

func converse(v vectors.Vector, via string, scale int) error {
	if via == "tcp6" && noIPv6 != nil {
		return noIPv6
	}
	directory, err := os.MkdirTemp("", "kcom5-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	os.Chmod(directory, 0o755) // for the peer that is another user
	port := 0
	nonces := map[[3]byte]bool{}
	for i := 0; i == 0 || i < v.Times; i++ {
		c := &conversation{Vector: v, via: via, path: filepath.Join(directory, "s"), port: port, scale: 1}
		if v.Give.Close != nil && 0 < *v.Give.Close && *v.Give.Close < 30 && v.Outcome.Within == 0 {
			c.scale = scale // T is not what the vector is about, nor promptness
		}
		if err := c.run(); err != nil {
			return err
		}
		nonces[c.nonce] = true
		if v.Role == "server" {
			port = c.port
		}
	}
	if v.Outcome.Nonce == "differs" && len(nonces) == 1 {
		return errors.New("always the same nonce")
	}
	entries, _ := os.ReadDir(directory)
	for _, entry := range entries {
		if entry.Name() != "s" {
			return fmt.Errorf("%s is left", entry.Name())
		}
	}
	return nil
}

func (c *conversation) run() (err error) {
	c.results = make(chan result, 1)
	defer func() {
		if c.conn != nil {
			c.conn.Close()
		}
	}()
	begin := c.client
	if c.Role == "server" {
		begin = c.server
	}
	cleanup, err := begin()
	defer cleanup()
	if err == nil {
		err = c.converse()
	}
	if c.conn != nil && (err != nil || c.result == nil) {
		c.conn.Close()
	}
	if errors.Is(err, errNotRun) {
		return err
	}
	return first(err, c.judge())
}

// timeout is T: generous, unless it is what the vector is about.
func (c *conversation) timeout() int {
	if c.Give.Close != nil {
		return *c.Give.Close * c.scale
	}
	return 30
}

func (c *conversation) address(ip string) string { return net.JoinHostPort(ip, strconv.Itoa(c.port)) }

func (c *conversation) ip() string {
	return map[string]string{"tcp6": "::1", "tcp4": "127.0.0.1"}[c.via]
}

func (c *conversation) converse() error {
	lastAct := -1 // the peer's, before it stalls: the wait that ends it starts with that, or later;
	// but the handshake's bound starts with the connection
	for i, step := range c.Steps {
		if step.Do == "stall" {
			break
		}
		if step.Do == "send" || step.Do == "half-close" || step.Do == "connect" {
			lastAct = i
		}
	}
	for i, step := range c.Steps {
		if i == lastAct && c.Steps[len(c.Steps)-1].Do == "stall" && c.Rule != "time.handshake" {
			c.start = time.Now()
		}
		if err := c.do(step); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, step.Do, err)
		}
	}
	return nil
}

func (c *conversation) do(step vectors.Step) (err error) {
	if c.conn != nil {
		c.conn.SetDeadline(time.Now().Add(patience))
	}
	switch step.Do {
	case "connect":
		c.conn, err = c.connected()
	case "send":
		// It may have seen enough.
		if _, err = c.conn.Write(step.Octets(c.nonce)); c.Outcome.Error != "" {
			err = nil
		}
	case "expect":
		octets := make([]byte, len(step.Octets(c.nonce)))
		if _, err = io.ReadFull(c.conn, octets); err != nil {
			return err
		}
		if c.Role == "client" && c.nonce == [3]byte{} && len(octets) == 8 {
			copy(c.nonce[:], octets[5:])
		}
		if expected := step.Octets(c.nonce); !bytes.Equal(octets, expected) {
			err = fmt.Errorf("got %.64x, expected %.64x", octets, expected)
		}
	case "expect-nothing":
		c.conn.SetReadDeadline(time.Now().Add(tick))
		if n, _ := c.conn.Read(make([]byte, 1)); n > 0 {
			err = errors.New("an octet came")
		}
	case "expect-end", "expect-reset":
		n, how := c.conn.Read(make([]byte, 1))
		isReset := isOneOf(how, resets)
		switch {
		case n > 0:
			err = errors.New("an octet came")
		case step.Do == "expect-reset" && !isReset, !isReset && how != io.EOF, isReset && c.Outcome.Error == "":
			err = fmt.Errorf("got %v", how)
		}
	case "expect-refused":
		dial := c.dial
		if step.Word != "" {
			dial = func() (net.Conn, error) { return net.Dial("tcp", c.address(step.Word)) }
		}
		conn, dialError := dial()
		if dialError != nil {
			return nil
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		if n, how := conn.Read(make([]byte, 1)); n > 0 || errors.Is(how, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("it is not refused: %d octets, %v", n, how)
		}
	case "expect-mode":
		info, statError := os.Lstat(c.path)
		if statError != nil {
			return statError
		}
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != step.Word {
			return errors.New(got)
		}
	case "replace-file":
		os.Rename(c.path, c.path+"-moved")
		err = os.WriteFile(c.path, []byte("mine"), 0o600)
	case "half-close":
		err = c.conn.(interface{ CloseWrite() error }).CloseWrite()
	case "close", "reset":
		if tcp, ok := c.conn.(*net.TCPConn); ok && step.Do == "reset" {
			tcp.SetLinger(0)
		}
		c.conn.Close()
	case "pause":
		for _, pause := range []struct {
			word   string
			length time.Duration
		}{{"tick", tick}, {"half", 500 * time.Millisecond}, {"most", 600 * time.Millisecond}} {
			if pause.word == step.Word {
				time.Sleep(pause.length * time.Duration(c.scale)) // it is what the vector asks for; T is one second
			}
		}
	case "stall":
		err = c.wait()
	default:
		err = errors.New("an unknown step")
	}
	return err
}

func (c *conversation) ended(result result) {
	c.end = time.Now()
	c.result = &result
}

func (c *conversation) wait() error {
	if c.result != nil {
		return nil
	}
	select {
	case result := <-c.results:
		c.ended(result)
		return nil
	case <-time.After(patience):
		return errors.New("it hangs")
	}
}

// judge compares how the call ended with the outcome.
func (c *conversation) judge() error {
	if err := c.wait(); err != nil {
		return err
	}
	name := ""
	var failed *Error
	if errors.As(c.result.err, &failed) {
		name = string(failed.Name)
	}
	if name != c.Outcome.Error || c.result.err != nil && failed == nil {
		return fmt.Errorf("got %v, expected %q", c.result.err, c.Outcome.Error)
	}
	if bound := fmt.Sprintf(" %d s", c.timeout()); failed != nil && failed.Name == ErrTimeout &&
		!strings.Contains(failed.Detail, bound) {
		return fmt.Errorf("%q does not say %q", failed.Detail, bound)
	}
	if c.Outcome.Confirmed != nil && c.result.confirmed != *c.Outcome.Confirmed {
		return fmt.Errorf("confirmed is %v", c.result.confirmed)
	}
	if c.Role == "client" {
		if name == "" && (c.result.message != string(c.Outcome.Message) || !bytes.Equal(c.result.data, c.Outcome.Data.With(c.nonce))) {
			return errors.New("another message or other data")
		}
		if name != "" && (c.result.message != "before" || c.result.data != nil) {
			return errors.New("something is delivered") // (`result.message`)
		}
	}
	lasted := c.end.Sub(c.start)
	if lasted < time.Duration(c.Outcome.After*c.scale)*time.Second {
		return fmt.Errorf("ended after %v, before its time", lasted)
	}
	if c.Outcome.Within > 0 && lasted > time.Duration(c.Outcome.Within)*time.Second {
		return fmt.Errorf("ended after %v", lasted)
	}
	_, err := os.Lstat(c.path)
	if isKept := err == nil; c.Outcome.Path != "" && isKept != (c.Outcome.Path == "kept") {
		return fmt.Errorf("the socket file: %v", err)
	}
	return nil
}
