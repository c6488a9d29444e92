/* Integer expressions of the monitor: recursive descent. See expression.h. */
#include "ui/expression.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64 /* of parentheses and signs: the text may come from anyone who can reach the monitor's socket */

struct parser {
    const char *at;
    const struct expression_names *names;
    const char *error; /* the first one; from then on every value is 0 */
    unsigned depth;
};

static int64_t parse_sum(struct parser *p);

static int64_t give_up(struct parser *p, const char *error)
{
    if (!p->error)
        p->error = error;
    return 0;
}

static void skip_blanks(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static void advance(struct parser *p)
{
    p->at++;
    skip_blanks(p);
}

static int64_t parse_name(struct parser *p)
{
    char name[64];
    size_t len = 0;
    int64_t value;

    p->at++;
    while (isalnum((unsigned char)*p->at) || *p->at == '_' || *p->at == '.') {
        if (len < sizeof name - 1)
            name[len++] = *p->at;
        p->at++;
    }
    name[len] = '\0';
    skip_blanks(p);
    if (!p->names->lookup || !p->names->lookup(p->names->opaque, name, &value))
        return give_up(p, "unknown register");
    return value;
}

static int64_t parse_character(struct parser *p)
{
    int64_t value;

    p->at++;
    if (!*p->at)
        return give_up(p, "character constant expected");
    value = (unsigned char)*p->at++;
    if (*p->at != '\'')
        return give_up(p, "missing terminating ' character");
    advance(p);
    return value;
}

static int64_t parse_number(struct parser *p)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(p->at, &end, 0);
    if (errno == ERANGE)
        return give_up(p, "number too large");
    if (end == p->at || !isdigit((unsigned char)*p->at))
        return give_up(p, "invalid char in expression");
    p->at = end;
    skip_blanks(p);
    return (int64_t)value;
}

static int64_t parse_unary(struct parser *p)
{
    int64_t value;
    char sign;

    if (p->error)
        return 0;
    if (++p->depth > MAX_DEPTH)
        return give_up(p, "expression is nested too deeply");
    switch (sign = *p->at) {
    case '+':
    case '-':
    case '~':
        advance(p);
        value = parse_unary(p);
        if (sign == '-')
            value = (int64_t) - (uint64_t)value;
        else if (sign == '~')
            value = ~value;
        break;
    case '(':
        advance(p);
        value = parse_sum(p);
        if (p->error)
            return 0;
        if (*p->at != ')')
            return give_up(p, "')' expected");
        advance(p);
        break;
    case '\'':
        value = parse_character(p);
        break;
    case '$':
        value = parse_name(p);
        break;
    case '\0':
        return give_up(p, "unexpected end of expression");
    default:
        value = parse_number(p);
        break;
    }
    p->depth--;
    return value;
}

static int64_t parse_product(struct parser *p)
{
    int64_t value = parse_unary(p);
    char op;

    while (!p->error && ((op = *p->at) == '*' || op == '/' || op == '%')) {
        int64_t right;

        if (op == '/' && (isalpha((unsigned char)p->at[1]) || p->at[1] == '.' || p->at[1] == '_'))
            break; /* "memsave 0 16 /tmp/file": no operand begins like that */
        advance(p);
        right = parse_unary(p);
        if (p->error)
            break;
        if (op == '*')
            value = (int64_t)((uint64_t)value * (uint64_t)right);
        else if (right == 0)
            return give_up(p, "division by zero");
        else if (right == -1) /* also INT64_MIN / -1, which the host's division would trap on */
            value = op == '/' ? (int64_t) - (uint64_t)value : 0;
        else
            value = op == '/' ? value / right : value % right;
    }
    return value;
}

static int64_t parse_logic(struct parser *p)
{
    int64_t value = parse_product(p);
    char op;

    while (!p->error && ((op = *p->at) == '&' || op == '|' || op == '^')) {
        int64_t right;

        advance(p);
        right = parse_product(p);
        value = op == '&' ? value & right : op == '|' ? value | right : value ^ right;
    }
    return value;
}

static int64_t parse_sum(struct parser *p)
{
    int64_t value = parse_logic(p);
    char op;

    while (!p->error && ((op = *p->at) == '+' || op == '-')) {
        uint64_t right;

        advance(p);
        right = (uint64_t)parse_logic(p);
        value = (int64_t)(op == '+' ? (uint64_t)value + right : (uint64_t)value - right);
    }
    return value;
}

const char *expression_evaluate(const char **text, const struct expression_names *names, int64_t *value)
{
    struct parser p = {.at = *text, .names = names};

    skip_blanks(&p);
    *value = parse_sum(&p);
    *text = p.at;
    return p.error;
}
