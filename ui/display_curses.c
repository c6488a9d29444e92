/*
 * -display curses: the guest's text screen on this terminal. A module (display_driver.h) with its own thread, so that a
 * slow line does not slow the machine.
 *
 * Ctrl-A x leaves; Ctrl-A Ctrl-A sends Ctrl-A. A screen with more rows or columns than the terminal follows its cursor.
 * What the process says on standard error meanwhile is kept and shown at the end.
 */
#define _GNU_SOURCE
#define NCURSES_WIDECHAR 1
#include <curses.h>

#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/input/kbc8042.h"
#include "ui/cp437.h"
#include "ui/display_driver.h"

#define CTRL_A      1
#define ESCAPE      27
#define LOOK_MS     500 /* how often the size of the terminal is checked, at least */
#define E0(code)    ((code) | KBC8042_KEY_EXTENDED)
#define KEY_CTRL    0x1d
#define KEY_SHIFT   0x2a
#define KEY_ALT     0x38
#define FIRST_PAIR  1
#define UTF8_LOCALE "C.UTF-8"

struct terminal {
    struct display_link *link;
    struct display_frame frame;
    SCREEN *screen;
    int wake_fd;
    int kept_stderr, real_stderr; /* -1: not redirected */
    unsigned n_colours;           /* 0: none, 8 or 16 */
    bool is_utf8;
    bool prefix_seen; /* Ctrl-A */
};

extern const struct display_driver morph86_display_driver __attribute__((visibility("default")));

/* ---- keys ---- */

/* The US keyboard: which key makes a character, alone and with Shift. */
static const struct {
    uint8_t key;
    char plain, shifted;
} character_keys[] = {
    {0x02, '1', '!'},  {0x03, '2', '@'}, {0x04, '3', '#'}, {0x05, '4', '$'}, {0x06, '5', '%'},  {0x07, '6', '^'},
    {0x08, '7', '&'},  {0x09, '8', '*'}, {0x0a, '9', '('}, {0x0b, '0', ')'}, {0x0c, '-', '_'},  {0x0d, '=', '+'},
    {0x10, 'q', 'Q'},  {0x11, 'w', 'W'}, {0x12, 'e', 'E'}, {0x13, 'r', 'R'}, {0x14, 't', 'T'},  {0x15, 'y', 'Y'},
    {0x16, 'u', 'U'},  {0x17, 'i', 'I'}, {0x18, 'o', 'O'}, {0x19, 'p', 'P'}, {0x1a, '[', '{'},  {0x1b, ']', '}'},
    {0x1e, 'a', 'A'},  {0x1f, 's', 'S'}, {0x20, 'd', 'D'}, {0x21, 'f', 'F'}, {0x22, 'g', 'G'},  {0x23, 'h', 'H'},
    {0x24, 'j', 'J'},  {0x25, 'k', 'K'}, {0x26, 'l', 'L'}, {0x27, ';', ':'}, {0x28, '\'', '"'}, {0x29, '`', '~'},
    {0x2b, '\\', '|'}, {0x2c, 'z', 'Z'}, {0x2d, 'x', 'X'}, {0x2e, 'c', 'C'}, {0x2f, 'v', 'V'},  {0x30, 'b', 'B'},
    {0x31, 'n', 'N'},  {0x32, 'm', 'M'}, {0x33, ',', '<'}, {0x34, '.', '>'}, {0x35, '/', '?'},  {0x39, ' ', ' '},
};

static const struct {
    int code; /* of curses */
    uint8_t key;
} function_keys[] = {
    {KEY_UP, E0(0x48)},    {KEY_DOWN, E0(0x50)},
    {KEY_LEFT, E0(0x4b)},  {KEY_RIGHT, E0(0x4d)},
    {KEY_HOME, E0(0x47)},  {KEY_END, E0(0x4f)},
    {KEY_PPAGE, E0(0x49)}, {KEY_NPAGE, E0(0x51)},
    {KEY_IC, E0(0x52)},    {KEY_DC, E0(0x53)},
    {KEY_BACKSPACE, 0x0e}, {KEY_ENTER, 0x1c},
    {KEY_F(1), 0x3b},      {KEY_F(2), 0x3c},
    {KEY_F(3), 0x3d},      {KEY_F(4), 0x3e},
    {KEY_F(5), 0x3f},      {KEY_F(6), 0x40},
    {KEY_F(7), 0x41},      {KEY_F(8), 0x42},
    {KEY_F(9), 0x43},      {KEY_F(10), 0x44},
    {KEY_F(11), 0x57},     {KEY_F(12), 0x58},
    {KEY_SUSPEND, 0x2c},   {KEY_PRINT, KBC8042_KEY_PRINT_SCREEN},
};

/* Adds the keys that make the character; false if there are none. */
static bool keys_of_character(int c, uint8_t *keys, unsigned *n)
{
    switch (c) {
    case '\t':
        keys[(*n)++] = 0x0f;
        return true;
    case '\r':
    case '\n':
        keys[(*n)++] = 0x1c;
        return true;
    case 0x08:
    case 0x7f:
        keys[(*n)++] = 0x0e;
        return true;
    case ESCAPE:
        keys[(*n)++] = 0x01;
        return true;
    case 0: /* Ctrl-Space and Ctrl-@ */
        keys[(*n)++] = KEY_CTRL;
        c = ' ';
        break;
    default:
        if (c < 0x20) {
            keys[(*n)++] = KEY_CTRL;
            c = c <= 26 ? c - 1 + 'a' : c + '@';
        }
        break;
    }
    for (size_t i = 0; i < sizeof character_keys / sizeof character_keys[0]; i++) {
        if (c == character_keys[i].plain) {
            keys[(*n)++] = character_keys[i].key;
            return true;
        }
        if (c == character_keys[i].shifted) {
            keys[(*n)++] = KEY_SHIFT;
            keys[(*n)++] = character_keys[i].key;
            return true;
        }
    }
    return false;
}

static void send_character(struct terminal *t, int c, bool has_alt)
{
    uint8_t keys[DISPLAY_MAX_KEYS];
    unsigned n = 0;

    if (has_alt)
        keys[n++] = KEY_ALT;
    if (keys_of_character(c, keys, &n))
        t->link->type(t->link, keys, n);
}

static void send_function_key(struct terminal *t, int code)
{
    uint8_t shifted[2] = {KEY_SHIFT, 0};

    if (code >= KEY_F(13) && code <= KEY_F(24)) { /* how terminals report Shift-F1 to Shift-F12 */
        shifted[1] = (uint8_t)(code <= KEY_F(22) ? 0x3b + code - KEY_F(13) : 0x57 + code - KEY_F(23));
        t->link->type(t->link, shifted, 2);
        return;
    }
    if (code == KEY_BTAB) {
        shifted[1] = 0x0f;
        t->link->type(t->link, shifted, 2);
        return;
    }
    for (size_t i = 0; i < sizeof function_keys / sizeof function_keys[0]; i++)
        if (function_keys[i].code == code) {
            t->link->type(t->link, &function_keys[i].key, 1);
            return;
        }
}

static void key_pressed(struct terminal *t, int kind, int c)
{
    wint_t next;

    if (t->prefix_seen) {
        t->prefix_seen = false;
        if (kind == OK && c == CTRL_A)
            send_character(t, CTRL_A, false);
        else if (kind == OK && c == 'x')
            t->link->close(t->link);
        return;
    }
    if (kind == OK && c == CTRL_A) {
        t->prefix_seen = true;
        return;
    }
    if (kind == KEY_CODE_YES) {
        send_function_key(t, c);
    } else if (c == ESCAPE && wget_wch(stdscr, &next) == OK) { /* Alt and a character arrive as one */
        send_character(t, (int)next, true);
    } else {
        send_character(t, c, false);
    }
}

static void read_keys(struct terminal *t)
{
    wint_t c;
    int kind;

    while ((kind = wget_wch(stdscr, &c)) != ERR)
        key_pressed(t, kind, (int)c);
}

/* ---- the screen ---- */

/* VGA counts blue, green, red from the low bit; terminals red, green, blue. */
static short colour_of(unsigned vga)
{
    return (short)((vga & 2) | (vga & 1) << 2 | (vga & 4) >> 2 | (vga & 8));
}

static void prepare_colours(struct terminal *t)
{
    if (!has_colors() || start_color() == ERR)
        return;
    t->n_colours = COLORS >= 16 && COLOR_PAIRS > 16 * 8 ? 16 : COLORS >= 8 && COLOR_PAIRS >= 64 ? 8 : 0;
    for (unsigned background = 0; background < 8; background++)
        for (unsigned foreground = 0; foreground < t->n_colours; foreground++) {
            unsigned pair = background * t->n_colours + foreground;

            if (pair + FIRST_PAIR < (unsigned)COLOR_PAIRS)
                init_pair((short)(pair + FIRST_PAIR), colour_of(foreground), colour_of(background));
        }
}

/* What a terminal without Unicode shows for a character. */
static wchar_t plain_character(uint8_t c)
{
    static const char box[] = "|"
                              "++++++"
                              "|"
                              "+++++++++"
                              "-"
                              "++++++++"
                              "-"
                              "+++++++++++++"
                              "###"; /* B3 to DD */

    if (c >= 0x20 && c < 0x7f)
        return c;
    if (c >= 0xb3 && c <= 0xdd)
        return (wchar_t)box[c - 0xb3];
    if (c >= 0xb0 && c <= 0xb2)
        return '#';
    return c == 0 || c == 0xff ? ' ' : c == 0xde || c == 0xdf || c == 0xfe ? '#' : '?';
}

static void draw_cell(const struct terminal *t, int y, int x, uint16_t cell)
{
    uint8_t attribute = (uint8_t)(cell >> 8), c = (uint8_t)cell;
    unsigned foreground = attribute & 15, background = attribute >> 4 & 7;
    wchar_t text[2] = {t->is_utf8 ? cp437_unicode[c] : plain_character(c), 0};
    attr_t look = attribute & 0x80 ? A_BLINK : A_NORMAL;
    short pair = 0;
    cchar_t out;

    if (text[0] == 0xa0)
        text[0] = ' ';
    if (t->n_colours) {
        if (t->n_colours == 8 && foreground >= 8)
            look |= A_BOLD;
        pair = (short)(background * t->n_colours + foreground % t->n_colours + FIRST_PAIR);
    } else {
        look |= foreground >= 8 ? A_BOLD : 0;
        look |= background > (foreground & 7) ? A_REVERSE : 0;
    }
    setcchar(&out, text, look, pair, NULL);
    mvadd_wch(y, x, &out);
}

/* The first row or column to show, of `n`, so that `at` is seen in `room`. */
static unsigned follow(unsigned n, unsigned room, unsigned at)
{
    unsigned first = at >= room ? at - room + 1 : 0;

    if (n <= room)
        return 0;
    return first > n - room ? n - room : first;
}

static void draw(struct terminal *t)
{
    const struct display_frame *f = &t->frame;
    unsigned lines = (unsigned)LINES, columns = (unsigned)COLS;
    unsigned top = follow(f->rows, lines, f->cursor_row), left = follow(f->columns, columns, f->cursor_column);

    erase();
    if (!f->is_text) {
        char text[60];
        int len = snprintf(text, sizeof text, "%u x %u graphics: -display sdl shows it", f->width, f->height);

        mvaddstr(LINES / 2, COLS > len ? (COLS - len) / 2 : 0, text);
        curs_set(0);
        refresh();
        return;
    }
    for (unsigned y = 0; y < lines && top + y < f->rows; y++)
        for (unsigned x = 0; x < columns && left + x < f->columns; x++)
            draw_cell(t, (int)y, (int)x, f->cells[(top + y) * f->columns + left + x]);
    if (f->cursor_is_visible && f->cursor_column >= left)
        move((int)(f->cursor_row - top), (int)(f->cursor_column - left));
    curs_set(f->cursor_is_visible);
    refresh();
}

static void check_size(struct terminal *t)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_row || !size.ws_col ||
        (size.ws_row == LINES && size.ws_col == COLS))
        return;
    resizeterm(size.ws_row, size.ws_col);
    clear();
    draw(t);
}

/* ---- beginning and end ---- */

static void keep_stderr(struct terminal *t)
{
    t->kept_stderr = t->real_stderr = -1;
    if (!isatty(STDERR_FILENO))
        return;
    fflush(stderr);
    t->kept_stderr = memfd_create("morph86-stderr", MFD_CLOEXEC);
    t->real_stderr = dup(STDERR_FILENO);
    if (t->kept_stderr >= 0 && t->real_stderr >= 0)
        dup2(t->kept_stderr, STDERR_FILENO);
}

static void give_back_stderr(struct terminal *t)
{
    char bytes[4096];
    ssize_t n;

    if (t->real_stderr < 0 || t->kept_stderr < 0)
        return;
    fflush(stderr);
    dup2(t->real_stderr, STDERR_FILENO);
    lseek(t->kept_stderr, 0, SEEK_SET);
    while ((n = read(t->kept_stderr, bytes, sizeof bytes)) > 0)
        if (write(STDERR_FILENO, bytes, (size_t)n) != n)
            break;
    close(t->kept_stderr);
    close(t->real_stderr);
}

static void choose_locale(struct terminal *t)
{
    /* Nobody said what the terminal understands: today's are UTF-8. */
    bool is_unsaid = !getenv("LC_ALL") && !getenv("LC_CTYPE") && !getenv("LANG");

    if (is_unsaid)
        setlocale(LC_CTYPE, UTF8_LOCALE);
    else
        setlocale(LC_CTYPE, "");
    t->is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void wake(void *opaque)
{
    const struct terminal *t = opaque;
    uint64_t one = 1;

    if (write(t->wake_fd, &one, sizeof one) < 0)
        return; /* at its end: woken often enough */
}

static void show(struct terminal *t)
{
    struct pollfd polled[2] = {{.fd = t->wake_fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    uint64_t count;

    while (!t->link->shall_end(t->link)) {
        poll(polled, 2, LOOK_MS);
        if (polled[0].revents & POLLIN && read(t->wake_fd, &count, sizeof count) == sizeof count &&
            t->link->take_frame(t->link, &t->frame))
            draw(t);
        if (polled[1].revents & POLLIN)
            read_keys(t);
        if (polled[1].revents & (POLLHUP | POLLERR)) { /* the terminal is gone */
            t->link->close(t->link);
            polled[1].fd = -1;
        }
        check_size(t);
    }
}

static const char *run(struct display_link *link)
{
    struct terminal terminal = {.link = link, .wake_fd = -1}, *t = &terminal;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return "standard input and output are not a terminal";
    choose_locale(t);
    t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->wake_fd < 0)
        return "no descriptor is left";
    set_escdelay(25);
    t->screen = newterm(NULL, stdout, stdin);
    if (!t->screen) {
        close(t->wake_fd);
        return "this terminal (TERM) is not known";
    }
    keep_stderr(t);
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    prepare_colours(t);
    link->set_wake(link, wake, t);
    show(t);
    link->set_wake(link, NULL, NULL);
    endwin();
    delscreen(t->screen);
    give_back_stderr(t);
    close(t->wake_fd);
    free(t->frame.xrgb);
    free(t->frame.cells);
    return NULL;
}

const struct display_driver morph86_display_driver = {.abi = DISPLAY_ABI, .wants_pixels = false, .run = run};
