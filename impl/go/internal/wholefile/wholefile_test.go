//go:build linux || darwin

package wholefile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kcom5/internal/leftover"
)

// store goes through all that is done with an output.
func store(name, text string, options Options) error {
	file, err := Open(context.Background(), name, options)
	if err != nil {
		return err
	}
	defer file.Discard()
	if _, err := file.Write([]byte(text)); err != nil {
		return err
	}
	if err := file.Complete(); err != nil {
		return err
	}
	return file.Publish()
}

func content(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func names(t *testing.T, directory string) string {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return strings.Join(all, " ")
}

func fails(t *testing.T, err error, what string) {
	t.Helper()
	var failed *Error
	if !errors.As(err, &failed) || failed.What != what {
		t.Errorf("got %v, expected %q", err, what)
	}
}

func TestAFileAppearsWhenItIsPublishedAndNotBefore(t *testing.T) {
	directory := t.TempDir()
	name := filepath.Join(directory, "file")
	file, err := Open(context.Background(), name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	file.Write([]byte("abc"))
	if err := file.Complete(); err != nil || strings.Contains(names(t, directory)+" ", "file ") {
		t.Error(err, names(t, directory))
	}
	if err := file.Publish(); err != nil || content(t, name) != "abc" {
		t.Error(err)
	}
	file.Discard()
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 || names(t, directory) != "file" {
		t.Error(info, err, names(t, directory))
	}
}

func TestAFileThatIsReplacedKeepsItsModeAndIsLeftAloneUntilThen(t *testing.T) {
	directory := t.TempDir()
	name := filepath.Join(directory, "file")
	os.WriteFile(name, []byte("old"), 0o640)
	os.Chmod(name, 0o640)
	file, err := Open(context.Background(), name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	file.Write([]byte("lost"))
	file.Discard()
	if content(t, name) != "old" || names(t, directory) != "file" {
		t.Error(names(t, directory))
	}
	if err := store(name, "new", Options{}); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o640 || content(t, name) != "new" || names(t, directory) != "file" {
		t.Error(info, err)
	}
}

func TestNoClobberLooksBeforeAndAtTheName(t *testing.T) {
	directory := t.TempDir()
	name := filepath.Join(directory, "file")
	file, err := Open(context.Background(), name, Options{NoClobber: true})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Discard()
	os.WriteFile(name, []byte("mine"), 0o600)
	fails(t, file.Publish(), "exists already")
	fails(t, store(name, "new", Options{NoClobber: true}), "exists already")
	if content(t, name) != "mine" {
		t.Error("it is replaced")
	}
	file.Discard()
	if names(t, directory) != "file" {
		t.Error(names(t, directory))
	}
}

// The ways of systems that have no files without a name.
func TestATemporaryFileWithANameIsRenamedOrRemoved(t *testing.T) {
	for _, noClobber := range []bool{false, true} {
		directory := t.TempDir()
		name := filepath.Join(directory, strings.Repeat("n", 255))
		file, err := Open(context.Background(), name, Options{NoClobber: noClobber})
		if err != nil {
			t.Fatal(err)
		}
		if file.beside == "" { // as if the folder had refused
			file.Regular.Close()
			if err := file.openNamed(); err != nil {
				t.Fatal(err)
			}
		}
		file.Write([]byte("abc"))
		if err := file.Complete(); err != nil {
			t.Error(err)
		}
		if err := file.Publish(); err != nil {
			t.Error(err)
		}
		file.Discard()
		if names(t, directory) != filepath.Base(name) || content(t, name) != "abc" {
			t.Error(names(t, directory))
		}
	}
}

func TestAFileWhoseOwnerCannotBeWaitedForIsRemoved(t *testing.T) {
	directory := t.TempDir()
	file, err := Open(context.Background(), filepath.Join(directory, "name"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if file.beside == "" { // as if the folder had refused
		file.Regular.Close()
		if err := file.openNamed(); err != nil {
			t.Fatal(err)
		}
	}
	if names(t, directory) == "" {
		t.Error("it has no name")
	}
	leftover.RemoveAll()
	if left := names(t, directory); left != "" {
		t.Error(left)
	}
	file.Discard()
}

func TestAPublishedFileIsTakenBackIfItWasNew(t *testing.T) {
	directory := t.TempDir()
	for _, isNew := range []bool{true, false} {
		name := filepath.Join(directory, "file")
		if !isNew {
			os.WriteFile(name, []byte("old"), 0o600)
		}
		file, err := Open(context.Background(), name, Options{})
		if err != nil {
			t.Fatal(err)
		}
		file.Publish()
		file.Retract()
		file.Discard()
		if (names(t, directory) == "") != isNew {
			t.Error(isNew, names(t, directory))
		}
	}
}

func TestLinksAreFollowedAndEndSomewhere(t *testing.T) {
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	os.Mkdir(at("folder"), 0o700)
	os.Symlink("folder/file", at("link"))
	os.Symlink("link", at("second"))
	os.Symlink("loop", at("loop"))
	os.Symlink("folder", at("to-folder"))
	if err := store(at("second"), "abc", Options{}); err != nil || content(t, at("folder/file")) != "abc" {
		t.Error(err)
	}
	fails(t, store(at("loop"), "", Options{}), "too many levels of symbolic links")
	fails(t, store(at("folder"), "", Options{}), "is a directory")
	fails(t, store(at("folder")+"/", "", Options{}), "is a directory")
	fails(t, store(at("to-folder"), "", Options{}), "is a directory")
	fails(t, store(at("new")+"/", "", Options{}), "no such file or directory")
	fails(t, store(at("folder/file")+"/", "", Options{}), "not a directory")
	fails(t, store(at("missing/file"), "", Options{}), "no such file or directory")
	fails(t, store("", "", Options{}), "no such file or directory")
}

// A folder such as /tmp: everybody may plant a name there.
func TestAnotherUsersLinkOrPipeInASharedFolderIsRefused(t *testing.T) {
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	os.WriteFile(at("victim"), []byte("mine"), 0o600)
	os.Symlink("victim", at("link"))
	syscall.Mkfifo(at("pipe"), 0o666)
	for _, name := range []string{"link", "pipe"} {
		giveAway(t, at(name))
	}
	os.Chmod(directory, 0o777|os.ModeSticky)
	for _, name := range []string{"link", "pipe"} {
		fails(t, store(at(name), "secret", Options{Timeout: time.Second, Bound: "1 s"}), "belongs to another user in a shared folder")
	}
	if content(t, at("victim")) != "mine" {
		t.Error("the file is replaced")
	}
	os.Chmod(directory, 0o700)
	if err := store(at("link"), "new", Options{}); err != nil || content(t, at("victim")) != "new" {
		t.Error("in a folder of one's own the link counts:", err)
	}
}

// giveAway makes a file another user's.
func giveAway(t *testing.T, name string) {
	t.Helper()
	why := error(syscall.EPERM)
	for _, user := range []int{65534, 1, 2, 1000} { // a user namespace may have some of them only
		if os.Geteuid() != 0 {
			break
		}
		if why = os.Lchown(name, user, user); why == nil {
			return
		}
	}
	t.Skip("NOT RUN: only root can make another user's files:", why)
}

func TestAPipeIsWaitedForAndNotForLong(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	syscall.Mkfifo(name, 0o600)
	short := Options{Timeout: 200 * time.Millisecond, Bound: "T s"}
	fails(t, store(name, "abc", short), "no process opened it for reading within T s")
	_, err := OpenInput(context.Background(), name, short)
	fails(t, err, "no process opened it for writing within T s")
	got := make(chan string)
	go func() {
		time.Sleep(50 * time.Millisecond) // it is waited for
		file, err := os.Open(name)
		if err != nil {
			got <- err.Error()
			return
		}
		text, _ := io.ReadAll(file)
		got <- string(text)
	}()
	if err := store(name, "abc", Options{Timeout: 20 * time.Second}); err != nil || <-got != "abc" {
		t.Error(err)
	}
}

func TestAnOutputThatTakesNothingIsATimeoutAndIsNotMadeNonblocking(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	fd := writer.Fd() // which makes it block
	file, err := OfDescriptor(context.Background(), writer, "standard output", Options{Timeout: 200 * time.Millisecond, Bound: "T s"})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Discard()
	n, err := file.Write(make([]byte, 1<<20))
	fails(t, err, "took no byte for T s")
	if n != 65536 || file.InPlace() != 65536 {
		t.Error(n, file.InPlace())
	}
	flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
	if flags&syscall.O_NONBLOCK != 0 {
		t.Error("the flag of a descriptor that others have was changed")
	}
}

func TestACallerThatGivesUpEndsEveryWait(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	name := filepath.Join(t.TempDir(), "pipe")
	syscall.Mkfifo(name, 0o600)
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := Open(ctx, name, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := OpenInput(ctx, name, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestADescriptorOfThisProcessIsWrittenInPlace(t *testing.T) {
	directory := t.TempDir()
	file, err := os.Create(filepath.Join(directory, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	file.WriteString("first ")
	number := "/dev/fd/" + itoa(file.Fd())
	os.Symlink(number, filepath.Join(directory, "link"))
	for _, name := range []string{number, "/proc/self/fd/" + itoa(file.Fd()), filepath.Join(directory, "link")} {
		if err := store(name, "second ", Options{}); err != nil {
			t.Error(name, err)
		}
	}
	if text := content(t, file.Name()); text != "first second second second " {
		t.Error(text)
	}
}

func itoa(number uintptr) string {
	digits := ""
	for ; number > 0; number /= 10 {
		digits = string(rune('0'+number%10)) + digits
	}
	return digits
}

// (a bind mount cannot be renamed over)
func TestAMountedFileIsWrittenInPlace(t *testing.T) {
	directory := t.TempDir()
	name, other := filepath.Join(directory, "file"), filepath.Join(directory, "other")
	os.WriteFile(name, []byte("old and long"), 0o600)
	os.WriteFile(other, []byte("old and long"), 0o600)
	if err := mountOver(other, name); err != nil {
		t.Skip("NOT RUN: mount: ", err)
	}
	defer unmount(name)
	if err := store(name, "new", Options{}); err != nil || content(t, other) != "new" {
		t.Error(err, content(t, other))
	}
	if names(t, directory) != "file other" {
		t.Error(names(t, directory))
	}
}

func TestAFileThatMayNotBeWrittenIsNotReplaced(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("NOT RUN: root may write everything")
	}
	name := filepath.Join(t.TempDir(), "file")
	os.WriteFile(name, []byte("mine"), 0o400)
	fails(t, store(name, "new", Options{}), "permission denied")
}

func TestWhatSaysItsSize(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	os.WriteFile(name, []byte("abc"), 0o600)
	for path, expected := range map[string]bool{name: true, "/proc/self/status": false, "/sys/kernel/mm/transparent_hugepage/enabled": false} {
		if info, err := os.Stat(path); err == nil && SaysItsSize(info) != expected {
			t.Error(path)
		}
	}
}
