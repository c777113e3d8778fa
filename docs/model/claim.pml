/*
 * The claim protocol as a model: claim, adopt, reclaim, finish and replay of one job, checked by Spin in every order.
 *
 *     spin -a claim.pml && gcc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * Two runners that nothing keeps apart: no `.lock`, no slot lock, and a living owner may be presumed dead. Each access
 * to a file is one step; between any two of them anybody else may go on, and a runner may die. A rename is done,
 * refused, or done with its reply lost. tests/test_model.py runs this, and runs it again with one rule taken out at a
 * time, to see that the rule is needed and that the model would notice:
 *
 *     -DNO_NONCE    a claim's name is HOST.SLOT, without a nonce
 *     -DNO_FENCE    a finish moves whatever file the job has in running/
 *     -DNO_LISTING  an error of the committing rename is believed, without a look at the directories
 *     -DBY_CLOCK    a replay takes the .final with the latest completed_at, by whatever clock wrote it
 *     -DBLIND       what is in the way of a finish is moved aside without a look at whether the claim still stands
 *
 * -DNFS: no RENAME_NOREPLACE, so a listing of the target, then a plain rename, in two steps.
 *
 * -DLIVE: that the job has its record at last, if every process that can go on does (pan -a -f, without -DSAFETY).
 *
 * How often something goes wrong is bounded: CRASHES (of a runner or a shim), DEATHS (a living owner presumed dead),
 * FAULTS (a rename or a listing refused, or a reply lost) and ATTEMPTS of the job (`max_attempts`).
 *
 * Left out: the slot lock and `.lock` (less is excluded than in life); cancel, retry and prune; power cuts; the age of
 * litter (a .final whose job has not ended stays); strangers' files.
 */

#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif

#define N (2 + 2 * ATTEMPTS + 2 * (CRASHES + DEATHS + FAULTS))      /* claims are numbered from 1; see fresh() */
#ifdef NO_NONCE
#define NAME(claim) 1
#else
#define NAME(claim) claim                                       /* a claim's number is its nonce */
#endif

/* The tree */
bool queued = true;             /* queued/STEM.json */
bool running[N];                /* running/STEM@NAME.json */
bool ended;                     /* STATE/KEY.json; all ends share one state, the worst case for a replay */
byte record;                    /* whose record that file holds; 0: still the request */
byte final[N];                  /* .tmp/STEM@NAME.final: whose record it holds; 0: there is none */
bool end_of[N];                 /* runs/KEY/end.FIRST.json */

/* runs/KEY/history.jsonl, as far as it decides something */
byte adopted_of[N];             /* {"event": "adopted", "nonce": index, "of": value} */
bool taken[N];                  /* some `adopted` line has this nonce as its `of` */
byte first[N];                  /* history.origin: the claim that the attempt began under */
byte attempts;                  /* history.attempts */

/* What nobody in the protocol can see */
bool evaluates[N];              /* shim and evaluation are at work for this claim */
byte owner[N];                  /* which runner goes on with this claim; 0: it has died, or given up */
byte files = 1;                 /* names of the job's file in the state directories: never 0, never 2 */
byte holder;                    /* the claim that was made last */
byte committer;                 /* the claim under which the file went to STATE/ */
byte claims, crashes, deaths, faults;

#define OK 0
#define GONE 1                  /* ENOENT, ESTALE: no such name, or a lost reply */
#define REFUSED 2               /* EIO, ENOSPC, ...: not done */
#define EXISTS 3
#define LOST 4                  /* done, but GONE is what the caller is told; only the model tells them apart */
#define IS_DONE (error == OK || error == LOST)
#define IS_GONE (error == GONE || error == LOST)

inline fresh(claim) { claims++; claim = claims; assert(claim < N) }

/* What becomes of a rename whose source is there, or not. */
inline attempt(source) {
    if
    :: !source -> error = GONE
    :: source -> error = OK
    :: source && faults < FAULTS -> faults++; error = LOST
    :: source && faults < FAULTS -> faults++; error = REFUSED
    fi
}

/* files.Disk.rename: replaces its target. Source and target are names in state directories. */
inline rename(source, target) {
    attempt(source);
    if
    :: IS_DONE -> source = false; files = files - target; target = true
    :: else
    fi;
    assert(files == 1)
}

/* finish._publish, replay: rename(.final, STATE/KEY.json). The record is now in place of the request. */
inline publish(name) {
    attempt(final[name]);
    if
    :: IS_DONE ->
        assert(ended);                                      /* else the job has a second file */
        assert(final[name] == committer);                   /* the record is that of the claim that committed */
        assert(record == 0 || record == final[name]);       /* no record ever takes another's place */
        record = final[name]; final[name] = 0
    :: else
    fi
}

/* A .final goes: never that of a commit whose record is not in its place. */
inline drop_final(name) {
    assert(final[name] == 0 || final[name] != committer || record == committer);
    final[name] = 0
}

/* files.Disk.rename_new: never over an existing name. */
#ifdef NFS
#define LISTED(target) if :: target -> error = EXISTS :: else -> error = OK fi      /* os.listdir(target.parent) */
#define RENAME_NEW(source, target) if :: error == OK -> rename(source, target) :: else fi
#else
#define LISTED(target) error = OK
#define RENAME_NEW(source, target) if :: source && target -> error = EXISTS :: else -> rename(source, target) fi
#endif

/* SIGKILL between two steps: what was known is forgotten, what is on disk stays. Then another runner is started. */
#define KILLED crashes < CRASHES -> crashes++; goto idle
#define OR_KILLED if :: KILLED :: true fi

proctype Runner(byte me) {
    byte mine, old, error, it, left[N];
    bool adopting, has_end;

idle:
    atomic {
        for (it : 1 .. N - 1) { left[it] = 0; if :: owner[it] == me -> owner[it] = 0 :: else fi };
        mine = 0; old = 0; error = OK; it = 0; adopting = false; has_end = false
    };
    if
    :: queued -> goto claim
    :: atomic { running[NAME(holder)] && owner[holder] == 0 -> old = holder; goto take_over }      /* a dead owner's */
    :: atomic { running[NAME(holder)] && owner[holder] != 0 && deaths < DEATHS -> deaths++; old = holder; goto take_over }
    :: ended && record != 0 -> goto rest
    fi;

claim:
    atomic {                                                    /* claims.claim */
        if
        :: queued -> fresh(mine); owner[mine] = me; first[mine] = mine
        :: else -> goto idle
        fi;
        rename(queued, running[NAME(mine)]);
        if
        :: IS_DONE -> holder = mine
        :: else -> claims--; first[mine] = 0; goto idle         /* refused: that name was never there */
        fi
    }
    if                                                          /* RACE: a lost reply; claims.stands lists running/ */
    :: atomic { error == OK || running[NAME(mine)] -> error = OK }
    :: error != OK && !running[NAME(mine)] -> goto idle         /* won, and taken over already */
    :: KILLED
    fi;
    atomic { OR_KILLED; attempts++; evaluates[mine] = true };   /* attempt.open_attempt, runner._run */
    if                                                          /* follow.Following */
    :: end_of[mine]
    :: !evaluates[mine] && !end_of[mine] -> goto idle           /* runner._replace_shim: recovers */
    :: KILLED
    fi;

conclude:                                                       /* attempt.conclude_once */
    if
    :: atomic { running[NAME(mine)] && attempts < ATTEMPTS -> error = OK; goto back }       /* an outcome of retry_on */
    :: atomic { running[NAME(mine)] -> error = OK; goto finish }                            /* write_verdict */
    :: !running[NAME(mine)] -> goto idle                                                    /* ClaimLost */
    :: KILLED
    fi;

finish:                                                         /* finish.finish, finish._write_final */
    atomic { OR_KILLED; drop_final(NAME(mine)); final[NAME(mine)] = mine };
commit:                                                         /* finish._commit */
#ifdef NO_FENCE
#define SOURCE it
    atomic { it = 1; do :: it < N - 1 && !running[it] -> it++ :: else -> break od };
#else
#define SOURCE NAME(mine)
#endif
    LISTED(ended);
    atomic {
        OR_KILLED;
        RENAME_NEW(running[SOURCE], ended);
        if
        :: IS_DONE -> committer = mine; assert(holder == mine)  /* the fence: only the newest claim ends the job */
        :: else
        fi;
        if
        :: error == OK -> goto publish_it
        :: error == EXISTS
        :: error == GONE || error == LOST || error == REFUSED -> goto look
        fi
    }
#ifndef BLIND
    if                                                          /* finish._clear_way */
    :: running[NAME(mine)]
    :: !running[NAME(mine)] -> goto look
    :: KILLED
    fi;
#endif
    atomic { OR_KILLED; files = files - ended; ended = false; record = 0; assert(files == 1); goto commit };

look:                                                           /* RACE: a lost reply; the listings tell */
#ifdef NO_LISTING
    atomic { if :: IS_GONE -> drop_final(NAME(mine)); goto idle :: else fi };
#endif
    if
    :: running[NAME(mine)] -> goto again
    :: !running[NAME(mine)]
    :: atomic { faults < FAULTS -> faults++; goto again }       /* they cannot be had */
    :: KILLED
    fi;
    atomic {
        OR_KILLED;
        error = OK;
        if
        :: !ended || (record != 0 && record != mine) -> drop_final(NAME(mine)); goto idle   /* _is_anothers */
        :: ended && record == 0 && taken[mine] -> goto idle     /* not _is_ours: the .final is left to the replay */
        :: ended && record == 0 && !taken[mine]
        :: ended && record == mine
        fi
    }

publish_it:                                                     /* finish._publish */
    atomic {
        OR_KILLED;
        publish(NAME(mine));
        if
        :: error == OK -> goto after
        :: error == REFUSED -> goto again
        :: IS_GONE
        fi
    }
    if                                                          /* RACE: a sweep has replayed it for us */
    :: ended && record == 0
    :: !ended || record != 0 -> goto after
    :: KILLED
    fi;
    atomic { OR_KILLED; final[NAME(mine)] = mine };
    atomic { OR_KILLED; publish(NAME(mine)); goto after };

again:                                                          /* OSError */
    if
    :: adopting -> goto idle                                    /* recover.take_over: False, tried again later */
    :: !adopting -> goto conclude                               /* attempt.conclude */
    fi;

back:                                                           /* claims.back, of a requeue or a reclaim */
    LISTED(queued);
    atomic {
        OR_KILLED;
        RENAME_NEW(running[NAME(mine)], queued);
        if
        :: error == OK || IS_GONE -> goto after                 /* done, or taken away: nothing else is done here */
        :: error == REFUSED -> goto again
        :: error == EXISTS -> assert(!running[NAME(mine)]); goto after
        fi
    }

take_over:                                                      /* recover._Case.take_over */
    atomic {
        OR_KILLED;
        if
        :: record != 0 && first[record] == first[old] ->        /* _recorded: unlink */
            files = files - running[NAME(old)]; running[NAME(old)] = false; assert(files == 1); goto idle
        :: else
        fi
    }
    has_end = end_of[first[old]];                               /* _read_end */
    atomic {                                                    /* claims.adopt: the line `adopted` */
        OR_KILLED;
        fresh(mine); first[mine] = first[old]; owner[mine] = me; adopted_of[mine] = old; taken[old] = true
    }
    atomic {
        OR_KILLED;
#ifdef NO_NONCE
        if :: running[1] -> error = OK :: else -> error = GONE fi;              /* a rename to the same name */
#else
        rename(running[old], running[mine]);
#endif
        if
        :: IS_DONE -> holder = mine
        :: else
        fi
    }
    if                                                          /* RACE: a lost reply; claims.stands lists running/ */
    :: error == OK || running[NAME(mine)]
    :: error != OK && !running[NAME(mine)] -> goto idle         /* ClaimLost, or refused */
    :: KILLED
    fi;
    d_step {                                                    /* _finals_of_the_dead, _final: the newest claim's first */
        error = OK; adopting = true; it = old;
        do
        :: it != 0 -> left[it] = final[NAME(it)]; it = adopted_of[it]
        :: else -> break
        od;
        it = old;
        do
        :: it != 0 && left[it] == 0 -> it = adopted_of[it]
        :: else -> break
        od;
        old = 0
    }
    if
    :: it != 0 -> it = 0; goto finish                           /* with that record, under our claim */
    :: it == 0 && has_end -> goto conclude                      /* _settle: judged as its owner would have */
    :: it == 0 && !has_end && attempts < ATTEMPTS -> goto back  /* attempt.lose */
    :: it == 0 && !has_end && attempts >= ATTEMPTS -> goto finish
    fi;

after:                                                          /* take_over: unlink each .final of the chain */
    atomic {
        OR_KILLED;
        it = 1;
        do
        :: it < N && left[it] == 0 -> it++
        :: else -> break
        od;
        if
        :: it < N -> drop_final(NAME(it)); left[it] = 0; goto after
        :: it == N -> goto idle
        fi
    }

rest:
    skip
}

/* Any number from 1 to N - 1 for which `condition` holds; N if there is none. */
#define FIRST(it, condition) it = 1; do :: it < N && !(condition) -> it++ :: else -> break od
#define ANY(it, condition) \
    it = 1; do :: it < N -> it++ :: it < N && (condition) -> break :: it == N -> break od; \
    if :: it == N -> FIRST(it, condition) :: else fi

/* The shims of all claims: an evaluation ends and its end is on disk, or shim and evaluation die without one. */
proctype Shims() {
    byte it;
end_shims:
    do
    :: atomic {
        claims > 0 -> ANY(it, evaluates[it]);
        if
        :: it < N -> end_of[it] = true; evaluates[it] = false
        :: it < N && crashes < CRASHES -> crashes++; evaluates[it] = false
        :: it == N
        fi;
        it = 0 }
    od
}

/* The sweep of any watcher: replay.replay, one .final a pass. */
proctype Sweep() {
    byte it, error;
end_sweep:
    do
    :: atomic { claims > 0 -> ANY(it, final[it] != 0) };        /* jobs.finals */
        if
        :: it == N || running[it] -> goto next                  /* its owner's, or whoever recovers the dead owner's */
        :: it < N && !running[it]
        fi;
        if
        :: !ended -> goto next                                  /* litter, when it is an hour old */
        :: ended && record != 0 -> atomic { drop_final(it); goto next }
        :: ended && record == 0
        fi;
#ifndef BY_CLOCK
        d_step { it = N - 1; do :: it > 0 && final[it] == 0 -> it-- :: else -> break od }  /* history.seniority */
#endif
        if
        :: record == 0 -> atomic { publish(it) }
        :: record != 0
        fi;
next:
        it = 0; error = OK
    od
}

init {
    atomic { run Runner(1); run Runner(2); run Shims(); run Sweep() }
}

#ifdef LIVE
ltl ends { <> (ended && record != 0) }
#endif
