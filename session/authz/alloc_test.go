package authz_test

import (
	"testing"

	"github.com/pavise/pavise/session/authz"
)

func TestChecksDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p := newPolicy(t, config())
	ann, mine := subject("ann", "acme", "admin"), note("acme", "owner", "ann", "locked", false)
	for _, tc := range []struct {
		name string
		perm authz.Perm
		r    authz.Resource
		want authz.Reason
	}{
		{"allowed", read, mine, authz.Granted},
		{"other tenant", read, note("zeta"), authz.OtherTenant},
		{"not granted", audit, mine, authz.NotGranted},
		{"with conditions", write, mine, authz.Granted},
	} {
		n := testing.AllocsPerRun(200, func() {
			if d := p.Check(t.Context(), ann, tc.perm, tc.r); d.Reason != tc.want {
				t.Fatalf("%s: %+v", tc.name, d)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", tc.name, n)
		}
	}
}
