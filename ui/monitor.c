/* The monitor: its line editor, and from a line to a command. See monitor.h. */
#include "ui/monitor.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ui/chardev.h"
#include "ui/expression.h"
#include "ui/keys.h"
#include "ui/monitor_internal.h"
#include "ui/version.h"

#define PROMPT       "(qemu) " /* what programs that drive QEMU wait for */
#define LINE_SIZE    4096u
#define HISTORY_SIZE 64u

enum escape_state { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_BRACKET };

struct monitor {
    struct machine *machine;
    struct host_char *dev;
    struct memdump_format sticky; /* what x and print use when they are not told */

    char line[LINE_SIZE];
    size_t len, cursor;
    enum escape_state escape;
    unsigned escape_number;
    bool after_return;

    char *history[HISTORY_SIZE]; /* a ring; n_history counts all lines ever */
    size_t n_history, shown_history;

    char *output; /* what the device has not taken yet */
    size_t output_len, output_size;
};

/* ---- output ---- */

static void flush(struct monitor *m)
{
    size_t n = m->output_len ? m->dev->write(m->dev, (const uint8_t *)m->output, m->output_len) : 0;

    if (n)
        memmove(m->output, m->output + n, m->output_len - n);
    m->output_len -= n;
}

static void put(struct monitor *m, const char *text, size_t len)
{
    if (m->output_len + 2 * len > m->output_size) {
        size_t size = m->output_size + 2 * len + 4096;
        char *bigger = realloc(m->output, size);

        if (!bigger)
            return;
        m->output = bigger;
        m->output_size = size;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            m->output[m->output_len++] = '\r';
        m->output[m->output_len++] = text[i];
    }
}

static void put_text(struct monitor *m, const char *text)
{
    put(m, text, strlen(text));
}

/* ---- arguments ---- */

static bool next_word(const char **at, char *word, size_t size)
{
    size_t len = 0;
    bool is_quoted = **at == '"';

    if (!**at)
        return false;
    if (is_quoted)
        (*at)++;
    while (**at && (is_quoted ? **at != '"' : !isspace((unsigned char)**at))) {
        if (is_quoted && **at == '\\' && (*at)[1])
            (*at)++;
        if (len < size - 1)
            word[len++] = **at;
        (*at)++;
    }
    if (is_quoted && **at)
        (*at)++;
    word[len] = '\0';
    while (isspace((unsigned char)**at))
        (*at)++;
    return true;
}

/* Takes the options that stand at *at and are declared in the rest of `letters`, whose first argument is number i. */
static bool take_option(const char *letters, unsigned i, const char **at, struct monitor_arg *arg, char *words)
{
    for (; *letters; letters++) {
        if (*letters == '?')
            continue;
        if (*letters != '-') {
            i++;
            continue;
        }
        if ((*at)[0] == '-' && (*at)[1] == letters[1] && (!(*at)[2] || isspace((unsigned char)(*at)[2]))) {
            *at += 2;
            while (isspace((unsigned char)**at))
                (*at)++;
            arg[i].is_given = letters[2] == 'b' || next_word(at, words + i * LINE_SIZE, LINE_SIZE);
            arg[i].text = words + i * LINE_SIZE;
            return arg[i].is_given;
        }
        letters += 2;
        i++;
    }
    return false;
}

/* NULL, or what is wrong. */
static const char *parse_arguments(struct monitor_call *call, const struct monitor_command *row, const char *text,
                                   char *words, char *error, size_t error_size)
{
    const struct expression_names names = {.lookup = monitor_register, .opaque = call->machine};
    const char *letters = row->args, *at = text, *wrong;
    bool is_optional = false;
    unsigned i = 0;

    for (const char *letter = letters; *letter; letter++) {
        struct monitor_arg *arg = &call->arg[i];

        while (take_option(letter, i, &at, call->arg, words))
            continue;
        if (*letter == '-') {
            letter += 2;
            i++;
            continue;
        }
        if (*letter == '?') {
            is_optional = true;
            continue;
        }
        if (letter[1] == '?')
            is_optional = true;
        if (!*at && is_optional)
            break;
        arg->is_given = true;
        arg->text = words + i * LINE_SIZE;
        switch (*letter) {
        case '/':
            if ((wrong = memdump_parse_format(&at, &call->monitor->sticky, &call->format, error, error_size)))
                return wrong;
            break;
        case 'l':
            if ((wrong = expression_evaluate(&at, &names, &arg->number)))
                return wrong;
            break;
        case 'S':
            strcpy(words + i * LINE_SIZE, at);
            at += strlen(at);
            break;
        default:
            if (!next_word(&at, words + i * LINE_SIZE, LINE_SIZE)) {
                snprintf(error, error_size, "%s: %s expected", row->name, *letter == 'F' ? "filename" : "string");
                return error;
            }
            break;
        }
        i++;
    }
    while (take_option(letters, 0, &at, call->arg, words))
        continue;
    if (*at) {
        snprintf(error, error_size, "%s: extraneous characters at the end of line", row->name);
        return error;
    }
    return NULL;
}

const struct monitor_command *monitor_find(const struct monitor_command *table, const char *name, size_t len)
{
    for (; table->name; table++) {
        const char *at = table->name;

        for (;;) {
            size_t n = strcspn(at, "|");

            if (n == len && strncmp(at, name, len) == 0)
                return table;
            if (!at[n])
                break;
            at += n + 1;
        }
    }
    return NULL;
}

void monitor_call_row(struct monitor_call *call, const struct monitor_command *row, const char *text,
                      const char *full_name)
{
    char error[200];
    const char *wrong;
    char *words = malloc(MONITOR_MAX_ARGS * LINE_SIZE);

    if (!words)
        return;
    memset(call->arg, 0, sizeof call->arg);
    wrong = parse_arguments(call, row, text, words, error, sizeof error);
    if (wrong)
        fprintf(call->out, "%s\nTry \"help %s\" for more information\n", wrong, full_name);
    else
        row->run(call);
    free(words);
}

static const struct monitor_command *find_command(const char *name, size_t len)
{
    const struct monitor_command *row = monitor_find(monitor_control_commands, name, len);

    return row ? row : monitor_find(monitor_memory_commands, name, len);
}

void monitor_print_help(FILE *out, const struct monitor_command *table, const char *prefix)
{
    for (; table->name; table++)
        fprintf(out, "%s%s %s -- %s\n", prefix, table->name, table->params, table->help);
}

void monitor_run(struct monitor *monitor, const char *line, FILE *out)
{
    struct monitor_call call = {.machine = monitor->machine, .monitor = monitor, .out = out};
    const struct monitor_command *row;
    char name[64];
    size_t len;

    while (isspace((unsigned char)*line))
        line++;
    if (!*line || *line == '#')
        return;
    len = strcspn(line, " \t/"); /* "x/4i": the format may follow at once */
    row = find_command(line, len);
    if (!row) {
        fprintf(out, "unknown command: '%.*s'\n", (int)len, line);
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)len, line);
    line += len;
    while (isspace((unsigned char)*line))
        line++;
    monitor_call_row(&call, row, line, name);
}

/* ---- the line editor ---- */

static void redraw(struct monitor *m)
{
    char back[32];

    put_text(m, "\r" PROMPT);
    put(m, m->line, m->len);
    put_text(m, "\x1b[K");
    if (m->cursor < m->len) {
        snprintf(back, sizeof back, "\x1b[%zuD", m->len - m->cursor);
        put_text(m, back);
    }
}

static void insert(struct monitor *m, char c)
{
    if (m->len >= LINE_SIZE - 1)
        return;
    memmove(m->line + m->cursor + 1, m->line + m->cursor, m->len - m->cursor);
    m->line[m->cursor++] = c;
    m->len++;
    if (m->cursor == m->len)
        put(m, &c, 1);
    else
        redraw(m);
}

static void erase(struct monitor *m, size_t from, size_t to)
{
    if (to > m->len || from >= to)
        return;
    memmove(m->line + from, m->line + to, m->len - to);
    m->len -= to - from;
    m->cursor = from;
    redraw(m);
}

static void set_line(struct monitor *m, const char *text)
{
    m->len = strlen(text);
    memcpy(m->line, text, m->len);
    m->cursor = m->len;
    redraw(m);
}

static void remember(struct monitor *m)
{
    char **slot = &m->history[m->n_history % HISTORY_SIZE];
    const char *last = m->n_history ? m->history[(m->n_history - 1) % HISTORY_SIZE] : NULL;

    if (m->len && !(last && strcmp(last, m->line) == 0)) {
        free(*slot);
        *slot = strdup(m->line);
        m->n_history++;
    }
    m->shown_history = m->n_history;
}

static void show_history(struct monitor *m, bool older)
{
    size_t oldest = m->n_history > HISTORY_SIZE ? m->n_history - HISTORY_SIZE : 0;
    const char *text;

    if (older ? m->shown_history == oldest : m->shown_history == m->n_history)
        return;
    m->shown_history += older ? (size_t)-1 : 1;
    text = m->shown_history == m->n_history ? "" : m->history[m->shown_history % HISTORY_SIZE];
    set_line(m, text ? text : "");
}

struct completion {
    const char *stem;
    size_t stem_len;
    char common[64];
    unsigned n_matches;
    char list[2048];
};

static void offer(struct completion *c, const char *word, size_t len)
{
    size_t same = 0;

    if (len < c->stem_len || len >= sizeof c->common || strncmp(word, c->stem, c->stem_len) != 0)
        return;
    if (c->n_matches++ == 0) {
        memcpy(c->common, word, len);
        c->common[len] = '\0';
    }
    while (same < len && c->common[same] == word[same])
        same++;
    c->common[same] = '\0';
    if (strlen(c->list) + len + 2 < sizeof c->list)
        snprintf(c->list + strlen(c->list), sizeof c->list - strlen(c->list), "%.*s ", (int)len, word);
}

static void offer_table(struct completion *c, const struct monitor_command *table)
{
    for (; table->name; table++)
        for (const char *at = table->name;;) {
            size_t n = strcspn(at, "|");

            offer(c, at, n);
            if (!at[n])
                break;
            at += n + 1;
        }
}

static void complete(struct monitor *m)
{
    struct completion c = {0};
    size_t start = m->cursor, first_end;

    while (start > 0 && !strchr(" -", m->line[start - 1]))
        start--;
    c.stem = m->line + start;
    c.stem_len = m->cursor - start;
    m->line[m->len] = '\0';
    first_end = strcspn(m->line, " ");
    if (start == 0 || (first_end == 4 && strncmp(m->line, "help", 4) == 0)) {
        offer_table(&c, monitor_control_commands);
        offer_table(&c, monitor_memory_commands);
    } else if (first_end == 4 && strncmp(m->line, "info", 4) == 0) {
        offer_table(&c, monitor_info_topics);
    } else if (first_end == 7 && strncmp(m->line, "sendkey", 7) == 0) {
        for (size_t i = 0; key_name(i); i++)
            offer(&c, key_name(i), strlen(key_name(i)));
    }
    if (c.n_matches == 0)
        return;
    for (const char *rest = c.common + c.stem_len; *rest; rest++)
        insert(m, *rest);
    if (c.n_matches == 1) {
        insert(m, ' ');
    } else if (strlen(c.common) == c.stem_len) {
        put_text(m, "\n");
        put_text(m, c.list);
        put_text(m, "\n");
        redraw(m);
    }
}

static void enter(struct monitor *m)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    m->line[m->len] = '\0';
    remember(m);
    put_text(m, "\n");
    m->len = m->cursor = 0;
    if (!out)
        return;
    monitor_run(m, m->line, out);
    fclose(out);
    put(m, text, size);
    free(text);
    put_text(m, PROMPT);
}

static void escape_sequence(struct monitor *m, uint8_t c)
{
    if (m->escape == ESCAPE_SEEN) {
        m->escape = c == '[' || c == 'O' ? ESCAPE_BRACKET : ESCAPE_NONE;
        m->escape_number = 0;
        return;
    }
    if (isdigit(c)) {
        m->escape_number = (m->escape_number * 10 + c - '0') % 100;
        return;
    }
    m->escape = ESCAPE_NONE;
    switch (c == '~' ? m->escape_number : c) {
    case 'A':
    case 'B':
        show_history(m, c == 'A');
        break;
    case 'C':
        if (m->cursor < m->len)
            m->cursor++;
        redraw(m);
        break;
    case 'D':
        if (m->cursor > 0)
            m->cursor--;
        redraw(m);
        break;
    case 'H':
    case 1:
        m->cursor = 0;
        redraw(m);
        break;
    case 'F':
    case 4:
        m->cursor = m->len;
        redraw(m);
        break;
    case 3:
        erase(m, m->cursor, m->cursor + 1);
        break;
    default:
        break;
    }
}

#define CTRL(letter) ((letter)&0x1f)

static void key(struct monitor *m, uint8_t c)
{
    bool after_return = m->after_return;

    m->after_return = c == '\r';
    if (m->escape != ESCAPE_NONE) {
        escape_sequence(m, c);
        return;
    }
    switch (c) {
    case '\n':
        if (after_return)
            break; /* one line end, not two */
        enter(m);
        break;
    case '\r':
        enter(m);
        break;
    case '\t':
        complete(m);
        break;
    case 0x1b:
        m->escape = ESCAPE_SEEN;
        break;
    case 0x7f:
    case CTRL('h'):
        if (m->cursor > 0)
            erase(m, m->cursor - 1, m->cursor);
        break;
    case CTRL('a'):
        m->cursor = 0;
        redraw(m);
        break;
    case CTRL('e'):
        m->cursor = m->len;
        redraw(m);
        break;
    case CTRL('d'):
        erase(m, m->cursor, m->cursor + 1);
        break;
    case CTRL('k'):
        m->len = m->cursor;
        redraw(m);
        break;
    case CTRL('u'):
        erase(m, 0, m->cursor);
        break;
    case CTRL('w'): {
        size_t from = m->cursor;

        while (from > 0 && m->line[from - 1] == ' ')
            from--;
        while (from > 0 && m->line[from - 1] != ' ')
            from--;
        erase(m, from, m->cursor);
        break;
    }
    case CTRL('l'):
        put_text(m, "\x1b[H\x1b[J");
        redraw(m);
        break;
    case CTRL('p'):
    case CTRL('n'):
        show_history(m, c == CTRL('p'));
        break;
    default:
        if (c >= 0x20)
            insert(m, (char)c);
        break;
    }
}

/* ---- the device ---- */

/* While an answer has not gone out yet, no more commands: whoever does not read cannot make us store without end. */
static size_t can_receive(void *opaque)
{
    const struct monitor *m = opaque;

    return m->output_len ? 0 : 256;
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    struct monitor *m = opaque;

    for (size_t i = 0; i < count; i++)
        key(m, bytes[i]);
    flush(m);
}

static void drained(void *opaque)
{
    struct monitor *m = opaque;

    flush(m);
    if (m->output_len == 0 && m->dev->accept_input)
        m->dev->accept_input(m->dev);
}

static void opened(void *opaque, bool is_open)
{
    struct monitor *m = opaque;

    m->len = m->cursor = 0;
    m->escape = ESCAPE_NONE;
    if (!is_open) {
        m->output_len = 0;
        return;
    }
    put_text(m, "morph86 " MORPH86_VERSION " monitor - type 'help' for more information\n" PROMPT);
    flush(m);
}

struct monitor *monitor_create(struct machine *machine, struct host_char *dev)
{
    struct monitor *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->machine = machine;
    m->dev = dev;
    m->sticky = (struct memdump_format){.count = 1, .letter = 'x', .width = 4};
    if (dev) {
        dev->receiver = m;
        dev->can_receive = can_receive;
        dev->receive = receive;
        dev->drained = drained;
        chardev_on_open(dev, opened, m);
    }
    return m;
}

void monitor_destroy(struct monitor *m)
{
    if (!m)
        return;
    if (m->dev) {
        chardev_on_open(m->dev, NULL, NULL);
        m->dev->receive = NULL;
        m->dev->can_receive = NULL;
        m->dev->drained = NULL;
    }
    for (unsigned i = 0; i < HISTORY_SIZE; i++)
        free(m->history[i]);
    free(m->output);
    free(m);
}
