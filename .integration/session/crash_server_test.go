package session

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// killable is a server of its own for one test: it can be killed and started again on
// what it had written.
type killable struct {
	address string // as .ci/servers exports it
	pidFile string
	argv    []string
	dir     string
	owner   syscall.Credential
	pid     int
	exited  chan struct{} // closed when a process that we started ended
}

// startKillable lets .ci/servers make and start the server, and starts it again with
// args after its own, where the last one of a name counts.
func startKillable(t *testing.T, name, variable string, args ...string) *killable {
	t.Helper()
	server(t, variable) // says whether servers are wanted here
	folder, err := os.MkdirTemp("", "pavise-crash-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o711); err != nil { // the server has an account of its own
		t.Fatal(err)
	}
	state := filepath.Join(folder, "servers")
	script := func(args ...string) ([]byte, error) {
		cmd := exec.Command("../../.ci/servers", args...)
		cmd.Env = append(os.Environ(), "PAVISE_SERVERS="+state)
		return cmd.Output()
	}
	out, err := script("start", name)
	if err != nil {
		t.Fatalf("servers start %s: %v", name, err)
	}
	t.Cleanup(func() { _, _ = script("stop") })
	_, address, _ := strings.Cut(strings.TrimSpace(string(out)), variable+"=")
	k := &killable{address: strings.Trim(address, "'"), pidFile: filepath.Join(state, name+".pid")}
	k.examine(t)
	k.argv = slices.DeleteFunc(k.argv, func(a string) bool { return strings.HasPrefix(a, "--init-file=") }) // it has run
	k.argv = append(k.argv, args...)
	t.Cleanup(k.kill)
	k.kill()
	k.start(t)
	return k
}

// examine learns from the running process how to start it again.
func (k *killable) examine(t *testing.T) {
	t.Helper()
	pid, err := os.ReadFile(k.pidFile)
	if err != nil {
		t.Fatal(err)
	}
	if k.pid, err = strconv.Atoi(strings.TrimSpace(string(pid))); err != nil {
		t.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d/", k.pid)
	line, err := os.ReadFile(proc + "cmdline")
	if err != nil {
		t.Fatal(err)
	}
	k.argv = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	if k.dir, err = os.Readlink(proc + "cwd"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(proc)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	k.owner = syscall.Credential{Uid: owner.Uid, Gid: owner.Gid, NoSetGroups: os.Getuid() != 0}
}

// kill ends the server and its children at once, and returns when they are gone.
func (k *killable) kill() {
	_ = syscall.Kill(k.pid, syscall.SIGSTOP) // it makes no more children
	family := append([]int{k.pid}, children(k.pid)...)
	for _, pid := range family {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if k.exited != nil {
		<-k.exited
	}
	for _, pid := range family {
		for running(pid) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	// Postgres finds its number in a file and does not start while it is taken: the
	// process that the script began is not ours to wait for.
	for range 2000 {
		if syscall.Kill(k.pid, 0) == syscall.ESRCH {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// children lists the processes whose parent is pid.
func children(pid int) (found []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		stat, _ := os.ReadFile(file)
		_, rest, _ := bytes.Cut(stat, []byte(") ")) // the name may hold anything but this
		if fields := strings.Fields(string(rest)); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			found = append(found, child)
		}
	}
	return found
}

// running is false also for a process that only waits for its parent to notice.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return err == nil && !bytes.HasPrefix(rest, []byte("Z"))
}

// keepUp starts the server again if it has ended, as a supervisor does: Postgres gives up
// when its predecessor's memory is not yet free.
func (k *killable) keepUp(t *testing.T) {
	t.Helper()
	select {
	case <-k.exited:
		k.start(t)
	default:
	}
}

// log is the end of what the server said.
func (k *killable) log() string {
	log, _ := os.ReadFile(strings.TrimSuffix(k.pidFile, ".pid") + ".log")
	return string(log[max(0, len(log)-1000):])
}

// start returns when the process runs, which is before it answers.
func (k *killable) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(k.argv[0], k.argv[1:]...)
	cmd.Dir = k.dir
	if log, err := os.OpenFile(strings.TrimSuffix(k.pidFile, ".pid")+".log", os.O_APPEND|os.O_WRONLY, 0); err == nil {
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &k.owner
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	k.pid, k.exited = cmd.Process.Pid, exited
	if err := os.WriteFile(k.pidFile, []byte(strconv.Itoa(k.pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
