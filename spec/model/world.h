/* What each step does to the world. Included by kcom5.pml after claims.h. */

static int is_tcp(void) { return now.tr != UNIX; }
static int rule(int bit) { return (now.rules & bit) != 0; }

static void reset_to_client(void) {
  tell_wire("server reset");
  now.rst_sc = 1;
  now.hurt_c = now.tr == WINDOWS;
}

static void reset_to_server(void) {
  tell_wire("client reset");
  now.rst_cs = 1;
  now.hurt_s = now.tr == WINDOWS;
}

/* A socket that is closed with octets unread is a reset; else the peer reads an end. */
static void server_close(void) {
  int is_unread = now.x > 0 || now.h_s > now.s_h;
  now.s_cl = 1;
  if (now.conn == 1 || (now.conn == 2 && is_unread && !now.c_cl))
    reset_to_client();
  else if (now.conn == 2)
    tell_wire("server close");
}

static void server_abort(void) {
  if (!is_tcp() || !rule(R_ABORT) || now.conn != 2 || now.c_cl == 2) {
    server_close();
    return;
  }
  now.s_cl = 2;
  reset_to_client();
}

static void client_close(void) {
  now.c_cl = 1;
  if (now.conn == 0 || now.conn == 3 || now.rst_sc) return;
  if (now.arr > now.c_rd)
    reset_to_server();
  else
    now.c_fin = 1, tell_wire("client close");
}

static void client_reset(void) {
  now.c_cl = 2;
  if (now.conn != 0 && now.conn != 3 && !now.rst_sc) reset_to_server();
}

static void take_peeked(void) {
  now.c_rd += now.c_peek;
  now.c_peek = 0;
}

static void client_abort(void) {
  if (is_tcp() && rule(R_ABORT)) {
    client_reset();
    return;
  }
  if (!rule(R_ABORT)) take_peeked();
  client_close();
}

/* The server's event: its cell, the action, and what a final state closes. */
static void server_event(void) {
  int action, event = now.ev;
  if (now.s_st == S_listening) {
    if (event == E_connected || event == E_wrong)
      now.conn = 2, now.s_due = 0;
    else if (event == E_end || event == E_reset)
      now.conn = 3;
  }
  if (event == E_timeout) claim(P_TIMED_OUT, now.s_idle), now.s_due = 0;
  now.s_idle = 1;
  if (event == E_more && now.s_st != S_hello && !rule(R_CHATTER)) now.s_due = 0;
  action = take(0);
  if (action == A_send_echo_and_frame) claim(P_ONCE, now.s_w == 0);
  if (action == A_half_close) claim(P_ONCE, !now.s_shut), now.s_shut = 1, now.s_due = 0, tell_wire("server half-close");
  if (action == A_confirm) now.s_conf = 1, claim(P_END_CONFIRMS, now.s_endok);
  if (now.s_cl == 0 && (now.s_st == S_done || now.s_st == S_failed)) {
    if (now.s_shut && rule(R_READ_AWAY)) now.x = 0;
    if (now.s_st == S_failed && (!now.s_shut || !rule(R_KEEP)))
      server_abort();
    else
      server_close();
    claims_of_server();
  }
}

static void client_event(void) {
  int action;
  if (now.ev == E_timeout) claim(P_TIMED_OUT, now.c_idle), now.c_due = 0;
  now.c_idle = 1;
  action = take(1);
  if (action == A_send_hello) claim(P_ONCE, now.h_s == 0);
  if (action == A_deliver) claim(P_ONCE, !now.c_del), now.c_del = !now.c_bad && now.c_rd + now.c_peek == octets();
  if (action == A_send_hello) {
    now.h_s = 2;
    tell_wire("client hello");
    if (now.s_cl == 1) reset_to_client();
  }
  if (now.c_st == C_failed && now.c_cl == 0) client_abort();
  claims_of_client();
}

static int field_at(int place) {
  return place < 2            ? C_echo
         : place < 4          ? C_message_length
         : place < 4 + now.ms ? C_message
         : place < 6 + now.ms ? C_data_length
                              : C_data;
}

/* The client reads one octet: what its field makes of it is its event, or the beginning of storing. */
static void client_reads(void) {
  int field = now.c_st;
  int need = field == C_message ? (now.c_ml ? now.ms : 0) : field == C_data ? (now.c_dl ? now.ds : 0) : 2;
  int is_whole = ++now.c_n == need;
  if (field_at(now.c_rd) != field) now.c_bad = 1;
  if (!is_tcp() && now.c_rd == octets() - 1 && rule(R_HOLD_BACK))
    now.c_peek = 1;
  else
    now.c_rd++;
  if (field != C_echo || is_whole) now.c_due = 0;
  now.ev = is_whole ? E_whole : E_more;
  if (field == C_echo && now.srv == WRONG_ECHO && is_whole) now.ev = E_wrong;
  if (field == C_message_length && now.srv == OVER && is_whole) now.ev = E_over;
  if (field == C_data_length && now.srv == OVER_DATA && is_whole) now.ev = E_over;
  if (field == C_message && now.srv == ILL_FORMED && is_whole) now.ev = E_wrong;
  if (is_whole && field == C_data) {
    now.c_pend = 1;
    if (!rule(R_STORE_FIRST))
      take_peeked(), client_close();
    else if (!rule(R_HALF_LAST) && !now.rst_sc)
      now.c_fin = 1, tell_wire("client half-close");
    return;
  }
  if (is_whole) {
    now.c_n = 0;
    now.c_ml |= field == C_message_length;
    now.c_dl |= field == C_data_length;
  }
  client_event();
}

static void octet_arrives(void) {
  if (now.c_cl) {
    now.rst_cs = 1;
    return;
  }
  now.arr++;
  if (now.s_w >= 2) now.s_due = 0;
}

static void step(void) {
  tell();
  switch (now.deed) {
    case D_SERVER:
      server_event();
      break;
    case D_CLIENT:
      client_event();
      break;
    case D_READS:
      client_reads();
      break;
    case D_ARRIVES:
      octet_arrives();
      break;
    case D_LISTENS:
      now.s_up = 1;
      break;
    case D_WRITES:
      now.s_w++;
      now.s_idle = 1;
      if (!is_tcp()) now.arr = now.s_w;
      if (now.s_w >= 2) now.s_due = 0;
      break;
    case D_SERVER_KILLED:
    case D_SERVER_LEAVES:
      now.s_dead = 1;
      server_close();
      break;
    case D_SERVER_RESETS:
      now.s_dead = 1;
      now.s_cl = 2;
      reset_to_client();
      break;
    case D_SERVER_STOPS:
      now.s_stop = 1;
      break;
    case D_LISTENER_CLOSES:
      reset_to_client();
      break;
    case D_TICK:
      now.s_due =
          now.s_up && now.s_st != S_done && now.s_st != S_failed && !now.s_dead && !now.s_stop && now.srv < BUSY;
      now.c_due =
          now.c_up && now.c_st != C_done && now.c_st != C_failed && !now.c_dead && !now.c_stop && now.cli != DISHONEST;
      break;
    case D_CALLS:
      now.c_up = 1;
      break;
    case D_CONNECTS:
      now.conn = 1;
      if (now.cli == DISHONEST) now.c_st = C_echo;
      break;
    case D_CLOSES:
      take_peeked();
      client_close();
      break;
    case D_RESETS:
      client_reset();
      break;
    case D_CLIENT_KILLED:
      now.c_dead = 1;
      if (is_tcp() && rule(R_LINGER) && now.c_st != C_connecting)
        client_reset();
      else
        client_close();
      break;
    case D_EXTRA:
      now.x_late |= now.s_shut;
      tell_wire("client extra");
      if (now.s_cl == 0)
        now.x++;
      else if (is_tcp())
        reset_to_client();
      break;
    case D_HALF_CLOSES:
      now.c_fin = 1;
      tell_wire("client half-close");
      break;
    case D_CLIENT_STOPS:
      now.c_stop = 1;
      break;
  }
}
