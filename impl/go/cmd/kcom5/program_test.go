//go:build linux || darwin

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is the program itself if it is told so.
func TestMain(m *testing.M) {
	if os.Getenv("KCOM5_IS_PROGRAM") != "" {
		main()
	}
	os.Exit(m.Run())
}

// programOf is the program with these words, started by a line of the shell in which "$@" stands for it.
func programOf(line string, words ...string) *exec.Cmd {
	command := exec.Command("sh", append([]string{"-c", line, "sh", os.Args[0]}, words...)...)
	command.Env = append(os.Environ(), "KCOM5_IS_PROGRAM=1")
	return command
}

type ended struct {
	code     int
	out, err string
}

func end(t *testing.T, command *exec.Cmd) ended {
	t.Helper()
	var out, err bytes.Buffer
	if command.Stdout == nil {
		command.Stdout = &out
	}
	command.Stderr = &err
	command.Run()
	return ended{command.ProcessState.ExitCode(), out.String(), err.String()}
}

func TestAClosedStreamIsToldAndTheNullDeviceIsNone(t *testing.T) {
	for _, row := range []struct {
		line, words string
		code        int
		said        string
	}{
		{`exec "$@" >&-`, "--version", 3, "kcom5: error: io: standard output is closed\n"},
		{`exec "$@" >&-`, "receive --wait 0", 3, "kcom5: error: io: standard output is closed\n"},
		{`exec "$@" >&-`, "receive --wait 0 -o /dev/stdout", 3, "kcom5: error: io: standard output is closed\n"},
		{`exec "$@" <&-`, "send --port 0 --timeout 1", 3, "kcom5: error: io: standard input is closed\n"},
		{`exec "$@" <&-`, "pack", 3, "kcom5: error: io: standard input is closed\n"},
		{`exec "$@" <>/dev/null`, "send --ipv4 --port 0 --timeout 1", 3, "kcom5: listening on "},
		{`exec "$@" <>/dev/null`, "pack", 2, "kcom5: error: invalid-key: got a key of 0 bytes"},
		{`exec "$@" >/dev/full`, "--version", 3, "kcom5: error: io: standard output: no space left on device\n"},
	} {
		got := end(t, programOf(row.line, strings.Fields(row.words)...))
		if got.code != row.code || !strings.HasPrefix(got.err, row.said) {
			t.Errorf("%s, %s: %+v", row.line, row.words, got)
		}
	}
}

// Nothing of what is said goes where the data goes, whatever is closed.
func TestNoFileTakesTheNumberOfAClosedStream(t *testing.T) {
	for _, closed := range []string{"<&-", ">&-", "2>&-", "<&- >&- 2>&-"} {
		directory := t.TempDir()
		at := func(name string) string { return filepath.Join(directory, name) }
		os.WriteFile(at("in"), []byte("abc"), 0o600)
		sender := programOf(`exec "$@" `+closed, "send", at("in"), "--message", "hi", "--unix", at("s"), "--timeout", "20")
		if err := sender.Start(); err != nil {
			t.Fatal(err)
		}
		got := end(t, programOf(`exec "$@" `+closed, "receive", "-o", at("out"), "--message-file", at("m"), "--unix", at("s"),
			"--wait", "20", "--timeout", "20"))
		failed := sender.Wait()
		data, _ := os.ReadFile(at("out"))
		message, _ := os.ReadFile(at("m"))
		if got.code != 0 || failed != nil || string(data) != "abc" || string(message) != "hi" {
			t.Errorf("%s: %+v, %v, %q, %q", closed, got, failed, data, message)
		}
	}
}

// listening starts a sender, and waits until it listens.
func listening(t *testing.T, line string, words ...string) (sender *exec.Cmd, path string, said *bytes.Buffer) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	command := programOf(line, append([]string{"send", "--unix", path, "--timeout", "20"}, words...)...)
	said = &bytes.Buffer{}
	command.Stderr = said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 2000; i++ {
		if _, err := os.Lstat(path); err == nil {
			return command, path, said
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not listen")
	return nil, "", nil
}

func TestASignalEndsTheProgramWithItsWordsAndNoFile(t *testing.T) {
	for _, number := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		sender, path, said := listening(t, `exec "$@"`)
		sender.Process.Signal(number)
		sender.Wait()
		_, err := os.Lstat(path)
		if sender.ProcessState.ExitCode() != 128+int(number) || err == nil ||
			!strings.HasSuffix(said.String(), "kcom5: error: interrupted: no client had connected\n") ||
			strings.Contains(said.String(), "goroutine") {
			t.Errorf("%v: %v %v %q", number, sender.ProcessState, err, said)
		}
	}
}

func TestASignalThatWasIgnoredStaysIgnored(t *testing.T) {
	for name, number := range map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP,
		"QUIT": syscall.SIGQUIT} {
		sender, path, said := listening(t, `trap "" `+name+`; exec "$@"`)
		sender.Process.Signal(number)
		got := end(t, programOf(`exec "$@"`, "receive", "--unix", path, "--timeout", "20"))
		if err := sender.Wait(); err != nil || got.code != 0 {
			t.Errorf("%s: %v %q %+v", name, err, said, got)
		}
	}
}

// (the soft limit on the size of a file raises a signal)
func TestASignalOfAFailingWriteIsAnError(t *testing.T) {
	directory := t.TempDir()
	in := exec.Command("head", "-c", "200000", "/dev/zero")
	pipe, err := in.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in.Start()
	defer func() {
		pipe.Close() // or it would write for ever
		in.Wait()
	}()
	command := programOf(`ulimit -f 64; exec "$@"`, "send", "--spool-dir", directory, "--port", "0", "--timeout", "1")
	command.Stdin = pipe
	got := end(t, command)
	if got.code != 3 || got.err != "kcom5: error: io: "+directory+": file too large\nkcom5: hint: "+hints["spool"]+"\n" {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsNotOursIsEscaped(t *testing.T) {
	for text, expected := range map[string][2]string{
		"a\x1b[31m\n\x7f": {`a\x1b[31m\x0a\x7f`, `"a\u001b[31m\u000a\u007f"`},
		"\u0085\u009b":    {`\x85\x9b`, `"\u0085\u009b"`},
		"a\xff\xe2\x82":   {`a\xff\xe2\x82`, `"a\\xff\\xe2\\x82"`},
		"\xed\xa0\x80":    {`\xed\xa0\x80`, `"\\xed\\xa0\\x80"`},
		"\u202e\u200b":    {`\u{202e}\u{200b}`, `"\u202e\u200b"`},
		"\u2028\ufeff":    {`\u{2028}\u{feff}`, `"\u2028\ufeff"`},
		"\u3164\ufe0f":    {`\u{3164}\u{fe0f}`, `"\u3164\ufe0f"`},
		"\U000e0041":      {`\u{e0041}`, `"\udb40\udc41"`},
		"\ue000\ufffd":    {"\\u{e000}\ufffd", `"\ue000\ufffd"`},
		"é한😀\u3000":       {"é한😀\u3000", `"\u00e9\ud55c\ud83d\ude00\u3000"`},
		`"\`:              {`"\`, `"\"\\"`},
	} {
		if got := visible(text); got != expected[0] {
			t.Errorf("%q: got %s, expected %s", text, got, expected[0])
		}
		if got := quoteASCII(text); got != expected[1] {
			t.Errorf("%q: got %s, expected %s", text, got, expected[1])
		}
		var back string
		if err := json.Unmarshal([]byte(expected[1]), &back); err != nil {
			t.Errorf("%q: %s: %v", text, expected[1], err)
		}
	}
	if got := quote("\"\\\x1b\u202e\t"); got != `"\"\\\x1b\u{202e}\x09"` {
		t.Error(got)
	}
}

func TestWhatMayBeAKeyIsNotRepeated(t *testing.T) {
	const key = "5ec1e75ec1e7"
	for _, words := range [][]string{{key}, {"unpack", key}, {"pack", "--key", key}, {"pack", "--port", key}, {"send", key},
		{"receive", key}, {"receive", "--address", "13600.5e.c1.e7"}, {"send", "--message-file", key, "x"},
		{"unpack", "--" + key}, {"send", "a", key}} {
		got := end(t, programOf(`exec "$@"`, words...))
		if got.code == 0 || strings.Contains(got.err+got.out, "5e") {
			t.Errorf("%v: %+v", words, got)
		}
	}
}

func TestAnAddressFileThatOthersCanReadIsWarnedOf(t *testing.T) {
	name := filepath.Join(t.TempDir(), "address")
	for mode, expected := range map[os.FileMode]string{0o600: "", 0o640: "kcom5: warning: " + name +
		" can be read by other users: chmod 600 " + name + "\n"} {
		os.WriteFile(name, []byte("7.ff\r\n"), 0o600)
		os.Chmod(name, mode)
		got := end(t, programOf(`exec "$@"`, "unpack", name))
		if got.code != 0 || got.err != expected || got.out != "port 7\nkey "+strings.Repeat("ff", 48)+"\n" {
			t.Errorf("%o: %+v", mode, got)
		}
	}
}

func TestAResultThatCannotBeWrittenIsAFailureAfterTheHandOver(t *testing.T) {
	sender, path, said := listening(t, `exec "$@" >/dev/full`, "--message", "hi", "--json")
	got := end(t, programOf(`exec "$@"`, "receive", "--unix", path, "--timeout", "20", "--json", "-o", "/dev/null"))
	sender.Wait()
	if got.code != 0 || got.out != `{"ok":true,"received":0,"message":"hi"}`+"\n" || sender.ProcessState.ExitCode() != 3 {
		t.Errorf("%+v, %v, %s", got, sender.ProcessState, said)
	}
}
