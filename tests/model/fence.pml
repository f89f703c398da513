/*
 * fence -- one exporter by fencing alone, whatever clocks do.
 *
 * Two nodes, a register, a target. No node has a deadline here: a holder may
 * stop for any time between any two steps and then go on, as a frozen virtual
 * machine does, and a standby may take over whenever it likes. What is left to
 * keep two epochs apart is: a principal of its own for each epoch, published in
 * the register before it is used, destroyed and verified by whoever comes next.
 *
 * A compare-and-swap may be lost, land late, or land with its answer lost. A
 * call that destroys a principal may be delayed and replayed for ever. A token
 * outlives its principal. A request is admitted in one step and takes effect in
 * a later one. Nodes crash and forget all but the highest epoch.
 *
 *   MAXE        epochs            CRASHES, MINTS   in all
 *   REENABLE    a principal per node, switched on again when it comes back
 *   EARLY       a principal is used before it is published
 *   SHARED      both nodes use one principal
 *   UNVERIFIED  a fence is believed without looking whether it worked
 *   NOQUIESCE   nobody waits for the effects of what was admitted
 *   NOREREAD    the register is not read again after the fence
 *   REACHED     claim that A, B, A never happens: must be violated
 */
#ifndef MAXE
#define MAXE 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef MINTS
#define MINTS 4 /* principals in all */
#endif
#define PRINCIPALS 6
#define SLOTS      2 /* requests on their way or at work */
#define NOBODY     255

/* The register: compared by version, which every write changes. */
byte version = 0, epoch = 0, holder = NOBODY, published = 0; /* bits */

/* The target and its authorization server. */
bool alive[PRINCIPALS];   /* may get tokens */
bool token[PRINCIPALS];   /* one is out that is still good */
bool doomed[PRINCIPALS];  /* a call to destroy it is on its way, for ever */
byte of_epoch[PRINCIPALS];
byte minted = 0;
byte admitted = 0, effected = 0; /* the highest epochs so far */
byte fenced = 0;                 /* nothing below was confirmed to get in */

/* Requests: 0 free, 1 sent, 2 admitted. */
byte slot[SLOTS], slot_epoch[SLOTS], slot_by[SLOTS];

/* One compare-and-swap of each node: 0 none, 1 on its way, 2 done, 3 lost. */
byte swap[2], swap_at[2], swap_epoch[2], swap_published[2];

byte crashes = 0;
byte first_holder = NOBODY, second_holder = NOBODY;

#ifdef SHARED
#define MINT(i) id = 0
#elif defined(REENABLE)
#define MINT(i) id = i
#else
#define MINT(i) id = minted; minted++
#endif

inline send_request()
{
    atomic {
        if
        :: slot[0] == 0 -> slot[0] = 1; slot_epoch[0] = mine; slot_by[0] = id
        :: slot[0] != 0 && slot[1] == 0 ->
               slot[1] = 1; slot_epoch[1] = mine; slot_by[1] = id
        :: else -> skip
        fi
    }
}

/* The fence: every principal below `mine` that the register names. */
inline destroy()
{
    d_step {
        k = 0;
        do
        :: k < PRINCIPALS ->
            if
            :: (seen_published & (1 << k)) && of_epoch[k] < mine && k != id ->
                   doomed[k] = true
            :: else
            fi;
            k++
        :: else -> break
        od
    }
}

#define GONE(n)                                                    \
    (!(seen_published & (1 << n)) || of_epoch[n] >= mine || n == id || \
     (!alive[n] && !token[n]))
#ifdef UNVERIFIED
#define VERIFIED true
#else
#define VERIFIED \
    (GONE(0) && GONE(1) && GONE(2) && GONE(3) && GONE(4) && GONE(5))
#endif
#define QUIET(s) (slot[s] != 2 || slot_epoch[s] >= mine)
#ifdef NOQUIESCE
#define QUIESCED true
#else
#define QUIESCED (QUIET(0) && QUIET(1))
#endif
#ifdef NOREREAD
#define STILL_MINE true
#else
#define STILL_MINE (epoch == mine && holder == me)
#endif
#define MAY_CRASH (crashes < CRASHES)

proctype Node(byte me)
{
    byte seen_version, seen_epoch, seen_published, mine = 0, id = 0, k;

again:
    skip;
    atomic { mine = 0; id = 0; seen_version = 0; seen_epoch = 0; seen_published = 0 }
    do
    :: minted < MINTS && swap[me] == 0 ->
        atomic { /* read */
            seen_version = version;
            seen_epoch = epoch;
            seen_published = published
        }
        if
        :: seen_epoch >= MAXE -> break
        :: else
        fi;
        atomic { /* mint */
            if
            :: minted < MINTS ->
                mine = seen_epoch + 1;
                MINT(me);
                of_epoch[id] = mine;
#ifdef REENABLE
                doomed[id] = false;
#endif
                alive[id] = true
            :: else -> goto again
            fi
        }
#ifdef EARLY
        atomic { token[id] = true; send_request() }
#endif
        atomic { /* publish: the swap leaves */
            swap[me] = 1;
            swap_at[me] = seen_version;
            swap_epoch[me] = mine;
            swap_published[me] = seen_published | (1 << id)
        }
        if
        :: swap[me] == 2 -> swap[me] = 0
        :: swap[me] == 3 -> swap[me] = 0; alive[id] = false; goto again
        /* No answer: it is read back, and may still land later. */
        :: epoch == mine && holder == me && (published & (1 << id)) ->
               (swap[me] != 1) -> swap[me] = 0
        :: MAY_CRASH -> crashes++; goto again
        fi;
        atomic {
            seen_published = published;
            if
            :: !(epoch == mine && holder == me) -> goto again
            :: else
            fi
        }
        destroy();
        if
        :: VERIFIED
        :: epoch > mine -> goto again
        :: MAY_CRASH -> crashes++; goto again
        fi;
        atomic {
            if
            :: STILL_MINE ->
                if
                :: fenced < mine -> fenced = mine
                :: else
                fi
            :: else -> goto again
            fi
        }
        if
        :: QUIESCED
        :: epoch > mine -> goto again
        fi;
        if
        :: atomic { alive[id] -> token[id] = true }
        :: !alive[id] -> goto again
        fi;
        /* It exports as long as it likes; nothing tells it to stop. */
        do
        :: alive[id] || token[id] -> send_request()
        :: goto again /* gave up, or crashed unharmed */
        :: MAY_CRASH -> crashes++; goto again
        od
    :: swap[me] == 2 || swap[me] == 3 -> swap[me] = 0 /* of a former life */
    :: epoch >= MAXE || minted >= MINTS -> break
    od
}

proctype Register()
{
end:
    do
    :: atomic {
           swap[0] == 1 ->
           if
           :: version == swap_at[0] ->
               version++; epoch = swap_epoch[0]; holder = 0;
               published = swap_published[0]; swap[0] = 2
           :: else -> swap[0] = 3
           fi;
           goto noted
       }
    :: atomic {
           swap[1] == 1 ->
           if
           :: version == swap_at[1] ->
               version++; epoch = swap_epoch[1]; holder = 1;
               published = swap_published[1]; swap[1] = 2
           :: else -> swap[1] = 3
           fi;
           goto noted
       }
    :: atomic { swap[0] == 1 -> swap[0] = 3 } /* never arrived, and told so */
    :: atomic { swap[1] == 1 -> swap[1] = 3 }
    od;
noted:
    atomic {
        if
        :: epoch == 1 -> first_holder = holder
        :: epoch == 2 -> second_holder = holder
        :: epoch == 3 ->
#ifdef REACHED
            assert(!(holder == first_holder && holder != second_holder));
#endif
            skip
        :: else
        fi;
        goto end
    }
}

inline admit(s)
{
    atomic {
        slot[s] == 1 ->
        if
        :: alive[slot_by[s]] || token[slot_by[s]] ->
            assert(slot_epoch[s] >= admitted); /* I1, admissions */
#ifndef UNVERIFIED
            assert(slot_epoch[s] >= fenced);   /* I2 */
#endif
            admitted = slot_epoch[s];
            slot[s] = 2
        :: else -> slot[s] = 0; slot_epoch[s] = 0; slot_by[s] = 0
        fi
    }
}

inline effect(s)
{
    atomic {
        slot[s] == 2 ->
        assert(slot_epoch[s] >= effected); /* I1, effects of one object */
        effected = slot_epoch[s];
        slot[s] = 0; slot_epoch[s] = 0; slot_by[s] = 0
    }
}

proctype Target()
{
end:
    do
    :: admit(0)
    :: admit(1)
    :: effect(0)
    :: effect(1)
    :: atomic { slot[0] == 1 -> slot[0] = 0; slot_epoch[0] = 0; slot_by[0] = 0 }
    :: atomic { doomed[0] && alive[0] -> alive[0] = false }
    :: atomic { doomed[1] && alive[1] -> alive[1] = false }
    :: atomic { doomed[2] && alive[2] -> alive[2] = false }
    :: atomic { doomed[3] && alive[3] -> alive[3] = false }
    :: atomic { doomed[4] && alive[4] -> alive[4] = false }
    :: atomic { doomed[5] && alive[5] -> alive[5] = false }
    :: atomic { token[0] && !alive[0] -> token[0] = false }
    :: atomic { token[1] && !alive[1] -> token[1] = false }
    :: atomic { token[2] && !alive[2] -> token[2] = false }
    :: atomic { token[3] && !alive[3] -> token[3] = false }
    :: atomic { token[4] && !alive[4] -> token[4] = false }
    :: atomic { token[5] && !alive[5] -> token[5] = false }
    od
}

init
{
    atomic {
#ifdef SHARED
        alive[0] = true;
#endif
        run Node(0);
        run Node(1);
        run Register();
        run Target()
    }
}
