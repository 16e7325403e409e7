package kcom5_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The way of README's "Use it", with its program, in a module elsewhere.
func TestAModuleElsewhereBuildsAndRunsTheProgramOfTheREADME(t *testing.T) {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("NOT RUN: the README's program:", err)
	}
	listener.Close()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "```go\n")
	program, rest, closed := strings.Cut(rest, "```\n")
	_, rest, told := strings.Cut(rest, "It prints `")
	expected, _, ended := strings.Cut(rest, "`")
	if !found || !closed || !told || !ended {
		t.Fatal("README.md has no program, or does not tell what it prints")
	}
	library, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, words := range [][]string{
		{"mod", "init", "consumer"},
		{"mod", "edit", "-require=kcom5@v0.0.0", "-replace=kcom5=" + library},
		{"vet", "."},
		{"run", "."},
	} {
		command := exec.Command("go", words...)
		command.Dir = directory
		command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		octets, err := command.CombinedOutput()
		if out = string(octets); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(words, " "), err, out)
		}
	}
	if out != expected+"\n" {
		t.Errorf("got %q, expected %q", out, expected)
	}
}
