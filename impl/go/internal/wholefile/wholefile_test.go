//go:build linux || darwin

package wholefile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kcom5/internal/leftover"
)

var background = context.Background()

// named opens a file in the way of systems and folders that have no files without a name.
func named(t *testing.T, name string, options Options) *File {
	t.Helper()
	file, err := Open(background, name, options)
	if err == nil && file.beside == "" {
		file.Regular.Close()
		err = file.openNamed()
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestATemporaryFileWithANameIsRenamedOrRemoved(t *testing.T) {
	directory := t.TempDir()
	left := func() []string {
		names, _ := filepath.Glob(filepath.Join(directory, "*"))
		return names
	}
	for _, noClobber := range []bool{false, true} {
		name := filepath.Join(directory, strings.Repeat("n", 255))
		file := named(t, name, Options{NoClobber: noClobber})
		_, err := file.Write([]byte("abc"))
		if err == nil {
			err = file.Complete()
		}
		if err == nil {
			err = file.Publish()
		}
		file.Discard()
		text, _ := os.ReadFile(name)
		if names := left(); err != nil || string(text) != "abc" || len(names) != 1 {
			t.Error(err, string(text), names)
		}
		os.Remove(name)
	}
	// Its owner cannot be waited for.
	file := named(t, filepath.Join(directory, "name"), Options{})
	if len(left()) != 1 {
		t.Error("it has no name")
	}
	if leftover.RemoveAll(); len(left()) != 0 {
		t.Error(left())
	}
	file.Discard()
}

func TestAnEmptyNameIsThatOfNoFile(t *testing.T) {
	if _, err := Open(background, "", Options{}); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
}

func TestAPipeIsWaitedForUntilTheCallerGivesUp(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	syscall.Mkfifo(name, 0o600)
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := Open(ctx, name, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := OpenInput(ctx, name, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
