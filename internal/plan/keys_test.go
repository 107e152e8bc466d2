package plan

import (
	"fmt"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/secret"
)

func subscriptions(from, n int) []*model.Subscription {
	var all []*model.Subscription
	for i := from; i < from+n; i++ {
		s := &model.Subscription{ID: fmt.Sprint(i), PrimaryKey: secret.New(fmt.Sprint("primary-", i))}
		if i%3 > 0 {
			s.SecondaryKey = secret.New(fmt.Sprint("secondary-", i))
		}
		all = append(all, s)
	}
	return all
}

func TestEveryKeyIsFoundAndNoOther(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 5000} {
		table := buildKeys(nil, subscriptions(0, n))
		for i := range n {
			for _, key := range []string{fmt.Sprint("primary-", i), fmt.Sprint("secondary-", i)} {
				s := table.find(key)
				if i%3 == 0 && key[0] == 's' {
					if s != nil {
						t.Fatalf("%d: found by a key that nobody has", i)
					}
					continue
				}
				if s == nil || s.ID != fmt.Sprint(i) {
					t.Fatalf("%d: %s finds %+v", i, key, s)
				}
			}
		}
		for _, key := range []string{"primary-", "primary--1", "Primary-1", fmt.Sprint("primary-", n), "x"} {
			if s := table.find(key); s != nil {
				t.Errorf("%q finds %s of %d", key, s.ID, n)
			}
		}
	}
}

// Hashes that meet in one place, or share their tag, must not hide a key or
// open for another one.
func TestKeysThatCollide(t *testing.T) {
	subs := subscriptions(0, 100)
	table := buildKeys(nil, subs)
	i, tag := table.place("primary-50")
	// fill the table but for one slot in front of the place, all with the tag
	for j := range table.slots {
		table.slots[j] = keySlot{tag, 2*99 + 1}
	}
	free := (i + len(table.slots) - 1) % len(table.slots)
	last := (i + len(table.slots) - 2) % len(table.slots)
	table.slots[free], table.slots[last] = keySlot{}, keySlot{tag, 2*50 + 1}
	if s := table.find("primary-50"); s == nil || s.ID != "50" {
		t.Errorf("found %+v", s)
	}
	table.slots[last] = keySlot{tag, 2*51 + 1}
	if s := table.find("primary-50"); s != nil {
		t.Errorf("the tag alone opened for %s", s.ID)
	}
}

// The table of the previous plan serves on while the keys are the same, and
// yields the new plan's subscriptions.
func TestKeyTableIsUsedAgain(t *testing.T) {
	prev := &Plan{keys: buildKeys(nil, subscriptions(0, 10))}
	again := buildKeys(prev, subscriptions(0, 10))
	if &again.slots[0] != &prev.keys.slots[0] {
		t.Error("the table was built again for the same keys")
	}
	if s := again.find("primary-4"); s == nil || s == prev.keys.subs[4] || s != again.subs[4] {
		t.Errorf("found %+v", s)
	}
	for name, subs := range map[string][]*model.Subscription{
		"one more": subscriptions(0, 11), "one fewer": subscriptions(0, 9), "others": subscriptions(1, 10),
		"one key rotated": append(subscriptions(0, 9), &model.Subscription{ID: "9", PrimaryKey: secret.New("primary-9"), SecondaryKey: secret.New("new")}),
	} {
		table := buildKeys(prev, subs)
		if &table.slots[0] == &prev.keys.slots[0] {
			t.Errorf("%s: the old table serves on", name)
		}
		for _, s := range subs {
			if got := table.find(s.PrimaryKey.Reveal()); got != s {
				t.Errorf("%s: %s finds %+v", name, s.ID, got)
			}
		}
	}
}
