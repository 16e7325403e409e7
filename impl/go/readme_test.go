package kcom5_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	parts := regexp.MustCompile("(?s)```go\n(.*?)```\n.*?It prints `(.*?)`").FindStringSubmatch(string(readme))
	if parts == nil {
		t.Fatal("README.md has no program, or does not tell what it prints")
	}
	library, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "main.go"), []byte(parts[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, words := range [][]string{
		{"mod", "init", "consumer"},
		{"mod", "edit", "-require=kcom5@v0.0.0", "-replace=kcom5=" + library},
		{"vet", "."},
		{"run", "."},
	} {
		command := exec.Command("go", words...)
		command.Dir = directory
		command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		if out, err = command.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", words, err, out)
		}
	}
	if string(out) != parts[2]+"\n" {
		t.Errorf("got %q, expected %q", out, parts[2])
	}
}
