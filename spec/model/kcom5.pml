/* Two ends and a connection. What an end does at an event is not written here: it is the cell of the spec's table,
 * which `take` looks up (tables.h, made from ../kcom5.md). This file says which events the world can give, and when.
 *
 * One process, one step at a time: every `::` below is one step of the world, and their order is free. Octets are
 * counted, not kept: the place of an octet in the stream says what it is. A field of the wire has two octets here, so
 * that each can be cut; message and data have 0 to 2. README.md explains the variables, the rules and the properties.
 */
#include "tables.h"
c_decl {
\#define IN_C
\#include "tables.h"
}
c_code {
\#include "claims.h"
\#include "world.h"
}

/* The configuration: set once, from the list that the run was given. */
byte cfg, tr, cli, srv, ms, ds, tt, room, faults;
short rules;

/* The server: state, error, and what it did; s_seen, s_hung: the end and the reset were given, once. */
byte s_st, s_err, s_w, s_h;
bit s_up, s_due, s_shut, s_seen, s_hung, s_endok, s_conf, s_dead, s_stop;
byte s_cl; /* its socket: 0 open, 1 closed in order, 2 reset */
/* The client. c_n: octets of the current field. */
byte c_st, c_err, c_rd, c_n;
bit c_up, c_due, c_seen, c_peek, c_pend, c_del, c_bad, c_ml, c_dl, c_dead, c_stop, c_badh;
byte c_cl;
/* The connection: 0 none, 1 in the listener's queue, 2 accepted, 3 dropped before. */
byte conn, arr, h_s, x;
bit c_fin, rst_sc, rst_cs;

/* Of the step being taken: the event and who gets it, or what somebody does; whose unread octets a reset may destroy. */
byte ev, deed;
bit hurt_c, hurt_s;
/* For the claims: whether an end had nothing to do when its bound passed; an octet that came after the half-close. */
bit s_idle, c_idle, x_late;
byte viol;

#define N (6 + ms + ds)
#define W (N + (srv == TALKS_ON -> 2 : 0))
#define TCP (tr != UNIX)
#define FREE (cli == DISHONEST)
#define HAS(f) ((faults & (f)) != 0)
#define RULE(r) ((rules & (r)) != 0)
#define S_FINAL (s_st == S_done || s_st == S_failed)
#define C_FINAL (c_st == C_done || c_st == C_failed)
#define S_ON (s_up && !S_FINAL && !s_dead && !s_stop && srv != BUSY && srv != FULL)
#define C_ON (c_up && !C_FINAL && !c_dead && !c_stop && !FREE)
#define S_FRAME (s_st == S_sending || s_st == S_half_closed)
#define S_AFTER (s_st == S_confirming || s_st == S_draining)
#define C_FIELD (c_st != C_connecting && !C_FINAL)
#define C_CAN_READ (c_rd + c_peek < arr)
#define NEED (c_st == C_message -> (c_ml -> ms : 0) : (c_st == C_data -> (c_dl -> ds : 0) : 2))
#define C_ZERO ((c_st == C_message || c_st == C_data) && NEED == 0 && !c_pend && c_n == 0)
#define C_WAITS (C_ON && !c_pend && !C_ZERO)
#define FIELD_AT(p) (p < 2 -> C_echo : (p < 4 -> C_message_length : (p < 4 + ms -> C_message : (p < 6 + ms -> C_data_length : C_data))))
#define ARRIVES (TCP && conn != 0 && arr < s_w && !rst_sc && !rst_cs && s_cl != 2 && (c_cl != 0 || arr - c_rd < room))
#define FIN_SEEN ((s_shut || s_cl == 1) && !rst_sc && arr == s_w)
#define UNREAD_BY_S (x > 0 || h_s > s_h)
#define S_END_READY (c_fin && !s_seen && !UNREAD_BY_S)
#define S_GONE (rst_cs || (!TCP && c_cl != 0))
#define S_CAN_WRITE (S_FRAME && s_w < W && !S_GONE && (TCP -> s_w - arr < SEND_BUFFER : s_w - c_rd < room) && (s_w + 1 < W || s_st == S_half_closed || !S_END_READY || !RULE(R_LOOK_FIRST)))

/* What an end finds when it looks once more. */
#define S_HAS_WORK (s_st == S_listening -> conn == 1 : ((rst_cs && !s_hung) || (S_GONE && S_FRAME && !s_hung) || S_END_READY || S_CAN_WRITE \
  || (s_st == S_hello && s_h < h_s) || (s_st == S_draining && arr == s_w) || (S_FRAME && s_w == W)))
#define C_HAS_WORK ((rst_sc && !c_seen) || (conn != 0 && !C_CAN_READ && FIN_SEEN && !c_seen) || (C_FIELD && C_CAN_READ) \
  || (c_st == C_connecting && srv != FULL))

#define LISTENS (s_up && s_st == S_listening && s_cl == 0 && !s_dead)
#define HELLO_EVENT (s_h < 2 -> E_more : (c_badh || x > 0 -> E_wrong : E_whole))
#define END_EVENT (rst_cs && RULE(R_SOCKET_ERROR) -> E_reset : (arr < s_w && RULE(R_UNACKED) -> E_early_end : E_end))

/* A step is an event for the server or the client, or a deed D_* of somebody; its effect is in world.h. */
#define SERVER(E) deed = D_SERVER; ev = E
#define CLIENT(E) deed = D_CLIENT; ev = E
#define FREE_ACTS (FREE && conn != 0 && conn != 3 && !c_cl && !c_stop)
#define FREE_SENDS (FREE_ACTS && !c_fin && !rst_sc && s_cl == 0)

init {
  atomic {
    do
    :: c_expr { now.cfg + 1 < n_configs } -> cfg++
    :: break
    od;
    c_code { configure(); }
  };
steps:
  atomic {
    if
    /* ---- the server ---- */
    :: !s_up -> deed = D_LISTENS
    :: S_ON && s_st == S_listening && conn == 1 && !HAS(F_OTHER_USER) -> SERVER(E_connected)
    :: S_ON && s_st == S_listening && conn == 1 && HAS(F_OTHER_USER) -> SERVER(E_wrong)
    :: S_ON && s_st == S_listening && conn == 1 && c_cl != 0 && rst_cs -> SERVER(E_reset)
    :: S_ON && s_st == S_listening && conn == 1 && c_cl != 0 && !rst_cs -> SERVER(E_end)
    :: S_ON && s_st == S_hello && s_h < h_s -> s_h++; SERVER(HELLO_EVENT)
    :: S_ON && S_CAN_WRITE -> deed = D_WRITES
    :: S_ON && S_FRAME && s_w == W && !rst_cs -> SERVER(E_sent)
    :: S_ON && (S_FRAME || S_AFTER) && x > 0 -> x--; SERVER(E_more)
    :: S_ON && s_st != S_listening && S_END_READY && !(s_st == S_sending && s_w == W && RULE(R_LOOK_FIRST)) ->
      s_seen = 1; s_endok = (s_shut && arr == s_w && s_w == W && !rst_cs); SERVER(END_EVENT)
    :: S_ON && s_st != S_listening && !s_hung &&
      (rst_cs || (S_GONE && S_FRAME && s_w < W)) && !(s_st == S_hello && UNREAD_BY_S) -> s_hung = 1; SERVER(E_reset)
    :: S_ON && s_st == S_draining && arr == s_w && !rst_cs -> SERVER(E_acknowledged)
    :: S_ON && s_due && !(RULE(R_LAST_LOOK) && S_HAS_WORK) -> SERVER(E_timeout)
    :: S_ON && HAS(F_S_FAILS) -> SERVER(E_failure)
    :: S_ON && HAS(F_S_CANCELS) -> SERVER(E_cancel)
    :: S_ON && HAS(F_S_KILLED) -> deed = D_SERVER_KILLED
    :: S_ON && srv == STOPS && conn != 0 -> deed = D_SERVER_STOPS
    :: S_ON && srv == TRUNCATING && s_st == S_sending && s_w < N -> deed = D_SERVER_LEAVES
    :: S_ON && srv == TRUNCATING && s_st == S_sending && s_w < N && TCP -> deed = D_SERVER_RESETS
    :: srv == BUSY && conn == 1 && !rst_sc -> deed = D_LISTENER_CLOSES

    /* ---- the connection; and T passes for all who wait: who is late acts before it passes again ---- */
    :: ARRIVES -> deed = D_ARRIVES
    :: tt && !(S_ON && s_due) && !(C_ON && c_due) && (S_ON || C_ON) && !ARRIVES ->
      s_idle = !S_HAS_WORK; c_idle = !C_HAS_WORK; deed = D_TICK

    /* ---- the client ---- */
    :: !c_up -> deed = D_CALLS
    :: c_up && !c_cl && conn == 0 && !c_stop && srv != FULL && c_st == C_connecting && LISTENS -> deed = D_CONNECTS
    :: C_ON && conn == 0 && srv != FULL && c_st == C_connecting && (!LISTENS || srv == BUSY) -> CLIENT(E_refused)
    :: C_ON && c_st == C_connecting && conn != 0 && !rst_sc && !(s_cl != 0 && !TCP) && !HAS(F_OTHER_USER) ->
      c_due = 0; CLIENT(E_connected)
    :: C_ON && c_st == C_connecting && conn != 0 && !rst_sc && HAS(F_OTHER_USER) -> CLIENT(E_wrong)
    :: C_ON && C_ZERO && c_st != C_data -> CLIENT(E_whole)
    :: C_ON && C_ZERO && c_st == C_data -> c_pend = 1; deed = D_STORES
    :: C_WAITS && C_FIELD && C_CAN_READ && NEED > c_n -> deed = D_READS
    :: C_ON && c_pend -> c_pend = 0; c_n = 0; CLIENT(E_whole)
    :: C_ON && c_pend && HAS(F_STORE) -> c_pend = 0; CLIENT(E_failure)
    :: C_WAITS && conn != 0 && !c_seen && (!C_CAN_READ || !RULE(R_ARRIVED_FIRST)) && FIN_SEEN ->
      c_seen = 1; CLIENT(E_end)
    :: C_WAITS && conn != 0 && !c_seen && (c_st == C_connecting || !C_CAN_READ || !RULE(R_ARRIVED_FIRST)) && rst_sc ->
      c_seen = 1; CLIENT(E_reset)
    :: C_WAITS && c_due && !(RULE(R_LAST_LOOK) && C_HAS_WORK) -> CLIENT(E_timeout)
    :: C_ON && HAS(F_C_FAILS) -> c_pend = 0; CLIENT(E_failure)
    :: C_ON && HAS(F_C_CANCELS) -> c_pend = 0; CLIENT(E_cancel)
    :: c_st == C_done && c_cl == 0 && !c_dead && !c_stop && !FREE -> deed = D_CLOSES
    :: c_up && !c_dead && !c_stop && c_cl == 0 && HAS(F_C_KILLED) && !FREE -> deed = D_CLIENT_KILLED
    :: c_up && conn != 0 && !c_cl && !c_dead && !c_fin && !c_stop && x < 2 && !rst_sc &&
      ((cli == EXTRA && C_FIELD && c_st != C_echo) || (cli == NINTH && c_st == C_echo)) -> deed = D_EXTRA
    :: cli == HALF_CLOSING && C_ON && !c_fin && !rst_sc &&
      c_st == C_echo && c_n == 0 -> deed = D_HALF_CLOSES
    :: cli == STOPPING && C_ON && conn != 0 -> deed = D_CLIENT_STOPS

    /* ---- a client that keeps no rule ---- */
    :: FREE && conn == 0 && c_up && !LISTENS && !c_stop -> deed = D_CLIENT_STOPS
    :: FREE_SENDS && h_s < 2 -> h_s++; deed = D_SENDS
    :: FREE_SENDS && h_s == 1 -> h_s++; c_badh = 1; deed = D_SENDS_WRONG
    :: FREE_SENDS && h_s == 2 && x < 2 -> deed = D_EXTRA
    :: FREE_ACTS && c_rd < arr -> c_rd++; deed = D_TAKES
    :: FREE_ACTS && !c_fin && !rst_sc -> deed = D_HALF_CLOSES
    :: FREE_ACTS -> deed = D_CLOSES
    :: FREE_ACTS && TCP -> deed = D_RESETS
    :: FREE && c_up && !c_cl && !c_stop -> deed = D_CLIENT_STOPS

    :: else -> goto rest
    fi;
    c_code { step(); };
    do /* what a reset destroys on Windows: any suffix of what had arrived and was not read */
    :: hurt_c && arr > c_rd + c_peek -> arr--
    :: hurt_s && x > 0 -> x--
    :: hurt_s && x == 0 && h_s > s_h -> h_s--
    :: hurt_c = 0; hurt_s = 0; break
    od;
    assert(viol == 0);
    ev = 0;
    if
    :: deed == D_TICK -> deed = 0; goto accept_tick
    :: else -> deed = 0; goto steps
    fi
  };
accept_tick:
  goto steps;
rest:
  atomic { c_code { claims_at_rest(); }; assert(viol == 0) }
}
