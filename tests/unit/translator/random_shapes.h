/*
 * What compilers write, at random: several accesses through one base register, a value changed in place, stack frames
 * with calls and returns, loops, code that modifies itself; pieces of it in random order, joined by jumps of every kind
 * that change no flag, so that flags live across the exits of blocks.
 *
 * Base registers and the stack are placed where pages and segments end, so that some accesses of a block fault, cross
 * or hit an alias, and others through the same register do not.
 */
#ifndef TESTS_UNIT_TRANSLATOR_RANDOM_SHAPES_H
#define TESTS_UNIT_TRANSLATOR_RANDOM_SHAPES_H

#include "tests/unit/translator/random_sys.h"

enum { PIECE_ROOM = 640, PIECES_MAX = 4, LINK_ROOM = 16, STRAIGHT_MAX = 24, STEP_ROOM = 92, FAR_JUMP = 5 };
_Static_assert(PIECES_MAX *(PIECE_ROOM + LINK_ROOM) + LINK_ROOM <= MAX_PROGRAM, "every program has room");
_Static_assert(STRAIGHT_MAX *STEP_ROOM + FAR_JUMP + 1 <= MAX_PROGRAM, "so has a straight one");
_Static_assert(0x1000 + MAX_PROGRAM <= SELF_BYTES, "programs lie within what modifies them");

/* EIP of the program's first byte. */
static uint32_t program_eip(const struct scene *s)
{
    return CODE + s->offset - (s->code == BASED_32 ? 0x1000 : 0);
}

struct piece {
    struct rng *r;
    const struct scene *s;
    uint32_t features;
    unsigned n;
    uint8_t bytes[PIECE_ROOM];
};

static void put_byte(struct piece *p, unsigned byte)
{
    assert_true(p->n < PIECE_ROOM);
    p->bytes[p->n++] = (uint8_t)byte;
}
static void put_bytes(struct piece *p, uint32_t value, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        put_byte(p, value >> 8 * i);
}
/* An immediate of the code's own operand size. */
static void put_immediate(struct piece *p, uint32_t value)
{
    put_bytes(p, value, is_code32(p->s) ? 4 : 2);
}
/* Operand and address size of 32 bits. */
static void put_size32(struct piece *p)
{
    if (!is_code32(p->s))
        put_byte(p, 0x66);
}

/* Are the stack and the data apart, so that a return address is safe? */
static bool has_own_stack(const struct scene *s)
{
    return !is_real_or_v86(s) && (!s->cpl || s->stack == 0);
}

static bool has_room(const struct piece *p, unsigned bytes)
{
    return p->n + bytes <= PIECE_ROOM;
}

static void put_wished(struct piece *p, const struct wish *wish)
{
    uint8_t bytes[40];
    unsigned n = choose_defined(p->r, p->s, wish, bytes, p->features);

    for (unsigned i = 0; i < n; i++)
        put_byte(p, bytes[i]);
}

/* An address near the end of some page of the data. */
static uint32_t near_page_end(struct rng *r, const struct scene *s)
{
    const uint32_t offset = (1 + below(r, 8)) * 0x1000 - below(r, 64) + below(r, 24);

    return s->small || !is_code32(s) ? offset : DATA + offset;
}

/* ---- shapes ---- */

/* Jumps over a few of the steps that follow. */
struct detour {
    unsigned at;    /* of the displacement; 0: none */
    unsigned steps; /* until the ways meet */
};

/* Between two steps. */
static void put_detour(struct piece *p, struct detour *detour)
{
    if (detour->at && (--detour->steps == 0 || p->n - detour->at - 1 > 80)) {
        p->bytes[detour->at] = (uint8_t)(p->n - detour->at - 1);
        detour->at = 0;
    }
    if (!detour->at && below(p->r, 5) == 0) {
        put_byte(p, 0x70 + below(p->r, 16)); /* Jcc */
        detour->at = p->n;
        detour->steps = 1 + below(p->r, 3);
        put_byte(p, 0);
    }
}

/* Several accesses through one register, and jumps over some; `in_place`: to one address. */
static void put_accesses(struct piece *p, bool in_place)
{
    struct rng *r = p->r;
    struct detour detour = {0};
    const unsigned count = 2 + below(r, 9), step = 1u << below(r, 5);
    struct wish wish = {.has_base = true, .base = (uint8_t)below(r, 8), .disp = (int8_t)(below(r, 40) - 8)};
    const int start = wish.disp;

    if (below(r, 5)) {
        put_size32(p);
        put_byte(p, 0xb8 + wish.base); /* mov base, imm32 */
        put_bytes(p, below(r, 3) ? near_page_end(r, p->s) : choose_offset(r, p->s), 4);
    }
    for (unsigned i = 0; i < count; i++) {
        put_detour(p, &detour);
        wish.keeps = (uint8_t)(below(r, 12) ? 1u << wish.base : 0);
        if (!in_place)
            wish.disp = (int8_t)(below(r, 3) ? start + (int)(step * below(r, 9)) - (int)step * 4 : (int)below(r, 128));
        put_wished(p, &wish);
        if (below(r, 16) == 0) { /* add base, imm8 */
            put_size32(p);
            put_byte(p, 0x83);
            put_byte(p, 0xc0 + wish.base);
            put_byte(p, below(r, 256));
        } else if (below(r, 6) == 0) { /* something that may change what holds the page's address */
            put_wished(p, &(struct wish){0});
        }
    }
    if (detour.at)
        p->bytes[detour.at] = (uint8_t)(p->n - detour.at - 1);
}

static void put_stack_step(struct piece *p)
{
    struct rng *r = p->r;
    const bool word = below(r, 12) == 0;

    if (word)
        put_byte(p, 0x66);
    switch (below(r, 8)) {
    case 0:
    case 1:
        put_byte(p, 0x50 + below(r, 8)); /* push */
        break;
    case 2:
        put_byte(p, 0x58 + below(r, 8)); /* pop */
        break;
    case 3:
        put_byte(p, 0x6a);
        put_byte(p, rnd(r));
        break;
    case 4:
        put_byte(p, 0x9c); /* pushf, pop */
        if (word)
            put_byte(p, 0x66);
        put_byte(p, 0x58 + (uint8_t[]){EAX, EBX, ESI}[below(r, 3)]);
        break;
    case 5: /* add or sub esp, imm8 */
        put_byte(p, 0x83);
        put_byte(p, below(r, 2) ? 0xc4 : 0xec);
        put_byte(p, 4 * below(r, 16));
        break;
    case 6: /* push or pop [base + disp] */
        put_byte(p, below(r, 2) ? 0xff : 0x8f);
        put_byte(p, p->bytes[p->n - 1] == 0xff ? 0x70 + below(r, 4) : 0x40 + below(r, 4));
        put_byte(p, rnd(r));
        break;
    default: /* mov ebp, esp; or the other way round */
        put_byte(p, below(r, 6) ? 0x8b : 0x89);
        put_byte(p, 0xec);
        break;
    }
}

static void put_call(struct piece *p, unsigned depth);

/* Between a call and its return: the stack ends as it began, and what lies above stays. */
static void put_callee(struct piece *p, unsigned depth)
{
    struct rng *r = p->r;
    unsigned pushed = 0;

    for (unsigned i = below(r, 6); i > 0 && has_room(p, 60); i--)
        switch (below(r, 5)) {
        case 0:
            put_byte(p, 0x50 + below(r, 8));
            pushed++;
            break;
        case 1:
            if (pushed)
                put_wished(p, &(struct wish){.has_base = true,
                                             .base = ESP,
                                             .disp = (int8_t) - (int)(1 + below(r, 16) * 4),
                                             .keeps = 1u << ESP,
                                             .calm = true});
            break;
        case 2:
            if (depth < 2)
                put_call(p, depth + 1);
            break;
        default:
            put_wished(p, &(struct wish){.keeps = 1u << ESP, .calm = true});
            break;
        }
    for (; pushed > 0; pushed--)
        put_byte(p, 0x58 + (uint8_t[]){EAX, EBX, ESI, EBP}[below(r, 4)]);
}

/* call over; jmp behind; over: ...; ret; behind: */
static void put_call(struct piece *p, unsigned depth)
{
    const unsigned before = p->n;
    unsigned jump;

    put_byte(p, 0xe8);
    put_immediate(p, 2);
    put_byte(p, 0xeb);
    jump = p->n;
    put_byte(p, 0);
    put_callee(p, depth);
    if (below(p->r, 4)) {
        put_byte(p, 0xc3);
    } else {
        put_byte(p, 0xc2);
        put_bytes(p, depth ? 0 : 4 * below(p->r, 4), 2);
    }
    if (p->n - jump - 1 > 127)
        p->n = before; /* too long for a short jump */
    else
        p->bytes[jump] = (uint8_t)(p->n - jump - 1);
}

/* Pushes, pops, operands on the stack, calls of code a few bytes on. */
static void put_stack(struct piece *p)
{
    struct rng *r = p->r;

    if (below(r, 2)) { /* push ebp; mov ebp, esp */
        put_byte(p, 0x55);
        put_byte(p, 0x8b);
        put_byte(p, 0xec);
    }
    for (unsigned i = 2 + below(r, 12); i > 0 && has_room(p, 300); i--)
        switch (below(r, 8)) {
        case 0:
        case 1:
        case 2:
            put_wished(p, &(struct wish){.has_base = true,
                                         .base = below(r, 2) ? ESP : EBP,
                                         .disp = (int8_t)(4 * below(r, 24) - 16 + below(r, 8) / 7),
                                         .keeps = 1u << ESP | 1u << EBP});
            break;
        case 3:
            put_wished(p, &(struct wish){.keeps = 1u << ESP});
            break;
        case 4:
            if (has_own_stack(p->s)) {
                put_call(p, 0);
                break;
            }
            /* fallthrough */
        default:
            put_stack_step(p);
            break;
        }
    if (below(r, 3) == 0)
        put_byte(p, 0xc9); /* leave */
    else if (below(r, 2))
        put_byte(p, 0x5d); /* pop ebp */
}

/*
 * Runs of stack instructions, which change ESP by constants: with it outstanding (backend/x86_64/select_stack.c) other
 * operands fault, blocks are left and loops turn. A run keeps account of what it has pushed and takes no more, so that
 * the return addresses above it stay.
 */
struct stack_run {
    unsigned bytes;   /* pushed */
    uint8_t keeps;    /* registers, as bits */
    uint8_t base;     /* points to the end of some page, if it has been loaded */
    unsigned way_out; /* where a Jcc has its displacement; 0: none */
    unsigned out_bytes;
};

/* A register that the run may change. */
static unsigned choose_free(struct rng *r, const struct stack_run *run)
{
    for (;;) {
        const unsigned reg = below(r, 8);

        if (!(run->keeps >> reg & 1))
            return reg;
    }
}

/* ModRM and the rest of [esp + disp]. Behind a prefix where the code is of 16 bits (put_address32). */
static void put_on_stack(struct piece *p, unsigned reg, int32_t disp)
{
    const bool is_short = disp == (int8_t)disp;

    put_byte(p, (is_short ? 0x44 : 0x84) | reg << 3);
    put_byte(p, 0x24);
    put_bytes(p, (uint32_t)disp, is_short ? 1 : 4);
}
static void put_address32(struct piece *p)
{
    if (!is_code32(p->s))
        put_byte(p, 0x67);
}

/* Of `size` bytes that the run has pushed, or below them. */
static int32_t choose_pushed(struct rng *r, const struct stack_run *run, unsigned size)
{
    if (run->bytes < size || below(r, 4) == 0)
        return -(int32_t)(size + below(r, 12) * 4 + below(r, 8) / 7);
    return (int32_t)(below(r, run->bytes - size + 1) & (below(r, 8) ? ~3u : ~0u));
}

/* ESP += by, in one of the ways. */
static void put_step_of_esp(struct piece *p, int32_t by)
{
    const unsigned way = below(p->r, 3);
    const uint32_t imm = (uint32_t)(way == 1 ? -by : by);
    const bool is_short = imm == (uint32_t)(int8_t)imm;

    put_size32(p);
    if (way == 2) { /* lea esp, [esp + by] */
        put_address32(p);
        put_byte(p, 0x8d);
        put_on_stack(p, ESP, by);
        return;
    }
    put_byte(p, is_short ? 0x83 : 0x81); /* add esp, by; sub esp, -by */
    put_byte(p, way == 1 ? 0xec : 0xc4);
    put_bytes(p, imm, is_short ? 1 : 4);
}

/* On [esp + disp], or where the run's base leads. */
static void put_x87(struct piece *p, const struct stack_run *run)
{
    static const struct {
        uint8_t opcode, reg, size;
    } x87[] = {{0xd9, 0, 4}, {0xdd, 0, 8}, {0xdb, 0, 4}, {0xd9, 3, 4},  {0xdd, 3, 8},
               {0xdd, 2, 8}, {0xd8, 0, 4}, {0xdf, 0, 2}, {0xdb, 7, 10}, {0xdb, 3, 4}};
    struct rng *r = p->r;
    const unsigned i = below(r, sizeof x87 / sizeof x87[0]);

    put_address32(p);
    put_byte(p, x87[i].opcode);
    if (below(r, 3)) {
        put_on_stack(p, x87[i].reg, choose_pushed(r, run, x87[i].size));
    } else {
        put_byte(p, 0x40 | x87[i].reg << 3 | run->base);
        put_byte(p, 4 * below(r, 16));
    }
}

static void put_run_access(struct piece *p, const struct stack_run *run)
{
    struct rng *r = p->r;

    if (below(r, 4) == 0)
        put_x87(p, run);
    switch (below(r, 6)) {
    case 0:
    case 1:
    case 2: /* of the code's operand size: mov, add, cmp; to it and from it */
        put_address32(p);
        put_byte(p, (uint8_t[]){0x89, 0x89, 0x01, 0x39}[below(r, 4)]);
        put_on_stack(p, below(r, 8), choose_pushed(r, run, 4));
        break;
    case 3:
        put_address32(p);
        put_byte(p, (uint8_t[]){0x8b, 0x8b, 0x03, 0x8d}[below(r, 4)]);
        put_on_stack(p, choose_free(r, run), choose_pushed(r, run, 4));
        break;
    default: /* by the base: that may fault, and the program goes on */
        put_wished(p, &(struct wish){.has_base = true,
                                     .base = run->base,
                                     .disp = (int8_t)(4 * below(r, 12)),
                                     .keeps = run->keeps,
                                     .calm = true});
        break;
    }
}

static void put_run_push(struct piece *p, struct stack_run *run)
{
    struct rng *r = p->r;
    const unsigned what = below(r, 8);
    const bool full = below(r, 16);

    if (full != is_code32(p->s))
        put_byte(p, 0x66);
    if (what == 0) {
        put_byte(p, 0x6a);
        put_byte(p, rnd(r));
    } else if (what == 1) {
        put_byte(p, 0x68);
        put_bytes(p, rnd(r), full ? 4 : 2);
    } else if (what == 2) {
        put_address32(p);
        put_byte(p, 0xff);
        put_on_stack(p, 6, choose_pushed(r, run, 4));
    } else {
        put_byte(p, 0x50 + below(r, 8));
    }
    run->bytes += full ? 4 : 2;
}

static void put_run_pop(struct piece *p, struct stack_run *run)
{
    struct rng *r = p->r;
    const bool full = below(r, 16), is_mem = run->bytes >= 8 && below(r, 6) == 0;

    if (run->bytes < 4)
        return;
    if (full != is_code32(p->s))
        put_byte(p, 0x66);
    run->bytes -= full ? 4 : 2;
    if (is_mem) { /* its address counts ESP behind the POP */
        put_address32(p);
        put_byte(p, 0x8f);
        put_on_stack(p, 0, choose_pushed(r, run, 4));
    } else {
        put_byte(p, 0x58 + choose_free(r, run));
    }
}

/* Jcc over an access, which ESP may be moved for. */
static void put_skipped(struct piece *p, const struct stack_run *run)
{
    struct rng *r = p->r;
    const int32_t by = (int32_t)(4 * below(r, 8));
    const bool moves = below(r, 2);
    unsigned behind;

    put_byte(p, 0x70 + below(r, 16));
    put_byte(p, 0);
    behind = p->n;
    if (moves)
        put_step_of_esp(p, -by);
    put_run_access(p, run);
    if (moves)
        put_step_of_esp(p, by);
    p->bytes[behind - 1] = (uint8_t)(p->n - behind);
}

static void put_run_step(struct piece *p, struct stack_run *run)
{
    struct rng *r = p->r;

    switch (below(r, 16)) {
    case 0:
    case 1:
    case 2:
        put_run_push(p, run);
        break;
    case 3:
    case 4:
        put_run_pop(p, run);
        break;
    case 5:
    case 6: {
        const unsigned by = below(r, 16) ? 4 * below(r, 24) : below(r, 0x3fff);

        put_step_of_esp(p, -(int32_t)by);
        run->bytes += by;
        break;
    }
    case 7: {
        const unsigned by = below(r, 8) ? below(r, run->bytes + 1) & ~3u : run->bytes;

        put_step_of_esp(p, (int32_t)by);
        run->bytes -= by;
        break;
    }
    case 8: /* mov reg, esp */
        put_size32(p);
        put_byte(p, 0x89);
        put_byte(p, 0xe0 + choose_free(r, run));
        break;
    case 9: /* add base, imm8 */
        put_size32(p);
        put_byte(p, 0x83);
        put_byte(p, 0xc0 + run->base);
        put_byte(p, 4 * below(r, 8));
        break;
    case 10:
        put_skipped(p, run);
        break;
    case 11: /* Jcc to the run's end */
        put_byte(p, 0x70 + below(r, 16));
        put_byte(p, 0);
        run->way_out = p->n - 1;
        run->out_bytes = run->bytes;
        break;
    case 12:
        put_wished(p, &(struct wish){.keeps = run->keeps, .calm = true});
        break;
    default:
        put_run_access(p, run);
        break;
    }
}

static void put_run_steps(struct piece *p, struct stack_run *run, unsigned count)
{
    for (; count > 0 && has_room(p, 320); count--)
        put_run_step(p, run);
}

/* Takes what the run has pushed; perhaps after an x87 instruction, whose pointers are outstanding then too. */
static void put_run_end(struct piece *p, struct stack_run *run)
{
    struct rng *r = p->r;

    if (below(r, 3) == 0)
        put_x87(p, run);
    while (run->bytes % 4 == 0 && run->bytes && run->bytes <= 12 && below(r, 4)) {
        put_size32(p);
        put_byte(p, 0x58 + choose_free(r, run));
        run->bytes -= 4;
    }
    if (run->bytes)
        put_step_of_esp(p, (int32_t)run->bytes);
    if (run->way_out) {
        unsigned over;

        put_byte(p, 0xeb); /* jmp over */
        put_byte(p, 0);
        over = p->n;
        if (p->n - run->way_out - 1 <= 127)
            p->bytes[run->way_out] = (uint8_t)(p->n - run->way_out - 1);
        put_step_of_esp(p, (int32_t)run->out_bytes);
        p->bytes[over - 1] = (uint8_t)(p->n - over);
    }
    run->bytes = run->way_out = 0;
}

/* Returns where its displacement is. */
static unsigned put_jump_over(struct piece *p)
{
    put_byte(p, 0xe9);
    put_immediate(p, 0);
    return p->n;
}
static void land(struct piece *p, unsigned behind_jump)
{
    const unsigned size = is_code32(p->s) ? 4 : 2;

    memcpy(p->bytes + behind_jump - size, &(uint32_t){p->n - behind_jump}, size);
}

/* Steps, and back to the caller, who had pushed `bytes` before. */
static void put_run_callee(struct piece *p, struct stack_run run, unsigned bytes)
{
    struct rng *r = p->r;

    run.bytes = run.way_out = 0;
    put_run_steps(p, &run, below(r, 6));
    put_run_end(p, &run);
    put_byte(p, bytes ? 0xc2 : 0xc3);
    if (bytes)
        put_bytes(p, bytes, 2);
}

/* push target; a run; and to the target: by RET, JMP or CALL. */
static void put_computed_jump(struct piece *p, struct stack_run *run, unsigned at)
{
    struct rng *r = p->r;
    const unsigned size = is_code32(p->s) ? 4 : 2, way = below(r, 3), drop = below(r, 3) ? 0 : 4 * below(r, 4);
    unsigned target, over = 0, callee = 0;

    if (way == 2) { /* what is called lies in front */
        over = put_jump_over(p);
        callee = p->n;
        put_run_callee(p, *run, 0);
        land(p, over);
    }
    for (unsigned i = drop; i > 0; i -= 4) { /* what RET drops */
        put_size32(p);
        put_byte(p, 0x50 + below(r, 8));
    }
    put_byte(p, 0x68);
    target = p->n;
    put_immediate(p, program_eip(p->s) + at + callee);
    put_run_steps(p, run, below(r, 8));
    if (way == 0) {
        put_run_end(p, run);
        put_byte(p, drop ? 0xc2 : 0xc3);
        if (drop)
            put_bytes(p, drop, 2);
    } else {
        if (below(r, 2))
            put_x87(p, run);
        put_address32(p);
        put_byte(p, 0xff);
        put_on_stack(p, way == 1 ? 4 : 2, (int32_t)run->bytes);
    }
    if (way != 2) {
        put_bytes(p, 0x0b0f0b0f, below(r, 5)); /* ud2 */
        memcpy(p->bytes + target, &(uint32_t){program_eip(p->s) + at + p->n}, size);
    }
    if (way != 0) {
        run->bytes += size + drop;
        put_run_end(p, run);
    }
}

/* The body is balanced, most often. */
static void put_run_loop(struct piece *p, struct stack_run *run)
{
    struct rng *r = p->r;
    const struct stack_run first = *run;
    const unsigned before = p->n;
    unsigned again;

    run->keeps |= 1u << ECX;
    put_byte(p, 0xb9); /* mov ecx, count */
    put_immediate(p, 1 + below(r, below(r, 4) ? 6 : 30));
    again = p->n;
    put_run_steps(p, run, 1 + below(r, 6));
    if (below(r, 8))
        put_run_end(p, run);
    else
        run->way_out = 0;
    put_byte(p, 0x49); /* dec ecx; jnz */
    put_byte(p, 0x75);
    if (p->n + 1 - again > 128) { /* too long */
        p->n = before;
        *run = first;
        return;
    }
    put_byte(p, again - (p->n + 1));
    run->keeps = first.keeps;
    run->bytes = 0;
}

/* `at`: of the piece in the program. */
static void put_stack_run(struct piece *p, unsigned at)
{
    struct rng *r = p->r;
    struct stack_run run = {.base = (uint8_t)(uint8_t[]){EBX, ESI, EDI}[below(r, 3)]};

    run.keeps = (uint8_t)(1u << ESP | 1u << run.base);
    if (below(r, 3)) {
        put_size32(p);
        put_byte(p, 0xb8 + run.base); /* mov base, imm32 */
        put_bytes(p, near_page_end(r, p->s), 4);
    }
    switch (has_own_stack(p->s) ? below(r, 6) : 3 + below(r, 3)) {
    case 0: { /* call; jmp over; the callee */
        const unsigned bytes = below(r, 3) ? 0 : 4 * below(r, 4);
        unsigned over;

        put_run_steps(p, &run, below(r, 4));
        for (unsigned i = bytes; i > 0; i -= 4) {
            put_size32(p);
            put_byte(p, 0x50 + below(r, 8));
        }
        put_byte(p, 0xe8);
        put_immediate(p, is_code32(p->s) ? 5 : 3);
        over = put_jump_over(p);
        put_run_callee(p, run, bytes);
        land(p, over);
        put_run_end(p, &run);
        break;
    }
    case 1:
    case 2:
        put_computed_jump(p, &run, at);
        break;
    case 3:
        put_run_loop(p, &run);
        break;
    case 4: /* enter; leave */
        put_size32(p);
        put_byte(p, 0xc8);
        put_bytes(p, 4 * below(r, 12), 2);
        put_byte(p, below(r, 6) ? 0 : below(r, 3));
        run.keeps |= 1u << EBP;
        put_run_steps(p, &run, 1 + below(r, 8));
        put_size32(p);
        put_byte(p, 0xc9);
        break;
    default:
        put_run_steps(p, &run, 1 + below(r, 12));
        if (below(r, 3))
            put_run_end(p, &run);
        break;
    }
}

/* mov ecx, count; again: body; dec ecx, jnz again (or LOOP) */
static void put_loop(struct piece *p)
{
    struct rng *r = p->r;
    const unsigned before = p->n, insns = 1 + below(r, 6);
    const uint8_t base = (uint8_t)(uint8_t[]){EBX, ESI, EDI, EBP}[below(r, 4)];
    unsigned again;

    if (below(r, 2)) {
        put_size32(p);
        put_byte(p, 0xb8 + base);
        put_bytes(p, below(r, 2) ? near_page_end(r, p->s) - 64 : choose_offset(r, p->s), 4);
    }
    put_byte(p, 0xb9);
    put_immediate(p, below(r, 6) ? 1 + below(r, 6) : 20 + below(r, 100));
    again = p->n;
    for (unsigned i = 0; i < insns; i++)
        put_wished(p, &(struct wish){.has_base = below(r, 3) == 0,
                                     .base = base,
                                     .disp = (int8_t)(4 * below(r, 8)),
                                     .keeps = (uint8_t)(1u << ECX | (below(r, 8) ? 1u << base : 0))});
    if (below(r, 3) == 0) { /* add base, imm8: a walk */
        put_size32(p);
        put_byte(p, 0x83);
        put_byte(p, 0xc0 + base);
        put_byte(p, 1u << below(r, 5));
    }
    if (p->n - again > 120) {
        p->n = before; /* too long for a short jump */
        return;
    }
    if (below(r, 3)) {
        put_byte(p, 0x49); /* dec ecx */
        put_byte(p, below(r, 4) ? 0x75 : 0x7f);
    } else {
        put_byte(p, 0xe0 + below(r, 3));
    }
    put_byte(p, again - (p->n + 1));
}

/* Changes a byte of the program, `place` bytes from its first, through GS: mov, or xor if `in_place`. */
static void put_patch(struct piece *p, uint32_t place, bool in_place, unsigned value)
{
    put_byte(p, 0x65);
    put_byte(p, in_place ? 0x80 : 0xc6);
    put_byte(p, (in_place ? 0x30 : 0x00) | (is_code32(p->s) ? 5 : 6));
    put_immediate(p, p->s->offset + place);
    put_byte(p, value);
}

/* INC or DEC of some register but ECX and ESP. */
static unsigned choose_step(struct rng *r)
{
    return 0x40 + 8 * below(r, 2) + (uint8_t[]){EAX, EDX, EBX, ESI}[below(r, 4)];
}

static unsigned choose_patch(struct rng *r, bool is_immediate, bool in_place)
{
    return is_immediate ? below(r, 256) : in_place ? 8 * below(r, 2) : choose_step(r);
}

/* An instruction, and stores into it before and behind; perhaps in a loop. `at`: of the piece in the program. */
static void put_self_modification(struct piece *p, unsigned at)
{
    struct rng *r = p->r;
    const bool loops = below(r, 2), is_immediate = below(r, 2);
    const bool in_place = below(r, 2);
    const unsigned before = p->n;
    unsigned again, behind, patched;

    if (loops) {
        put_byte(p, 0xb9);
        put_immediate(p, 1 + below(r, 6));
    }
    again = p->n;
    put_patch(p, 0, in_place, 0);
    for (unsigned i = below(r, 3); i > 0; i--)
        put_wished(p, &(struct wish){.keeps = 1u << ECX});
    patched = p->n;
    if (is_immediate) { /* mov reg, imm */
        put_byte(p, 0xb0 + 8 + (choose_step(r) & 7));
        put_immediate(p, rnd(r));
        patched = p->n - 1 - below(r, 2);
    } else {
        put_byte(p, choose_step(r));
    }
    behind = p->n;
    p->n = again;
    put_patch(p, at + patched, in_place, choose_patch(r, is_immediate, in_place));
    p->n = behind;
    if (below(r, 2)) {
        const bool behind_in_place = below(r, 2);

        put_patch(p, at + patched, behind_in_place, choose_patch(r, is_immediate, behind_in_place));
    }
    for (unsigned i = below(r, 3); i > 0; i--)
        put_wished(p, &(struct wish){.keeps = 1u << ECX});
    if (loops && p->n - again > 120) {
        p->n = before;
    } else if (loops) {
        put_byte(p, 0xe2);
        put_byte(p, again - (p->n + 1));
    }
}

/* Strings and perhaps another instruction between STD and CLD, or between CLD and STD; now and then a way that leads in
 * between. */
static unsigned choose_df_change(struct rng *r, const struct scene *s, uint8_t *out, uint32_t features)
{
    static const struct wish any = {0};
    const uint8_t to = (uint8_t)(0xfc + below(r, 2));
    unsigned n = 0;

    if (below(r, 6) == 0) { /* jcc over it */
        out[n++] = (uint8_t)(0x70 + below(r, 16));
        out[n++] = 1;
    }
    out[n++] = to;
    for (unsigned i = below(r, 4); i > 0; i--) {
        if (below(r, 4) == 0)
            out[n++] = 0x66;
        out[n++] = (uint8_t[]){0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xa6}[below(r, 8)];
    }
    if (below(r, 3) == 0)
        n += choose_defined(r, s, &any, out + n, features);
    if (below(r, 8))
        out[n++] = to ^ 1;
    return n;
}

/*
 * Instructions one after the other, and jumps over one of them or one of the sequences of random_sys.h; `room` bytes at
 * most. `at`: of the first one in the program. Says in *leaves_cs whether far transfers are among them.
 */
static unsigned choose_straight(struct rng *r, const struct scene *s, unsigned insns, unsigned at, unsigned room,
                                uint8_t *out, uint32_t features, bool *leaves_cs)
{
    static const struct wish any = {0};
    unsigned n = 0;

    *leaves_cs = false;
    for (unsigned i = 0; i < insns && n + STEP_ROOM <= room; i++) {
        uint8_t *jump = NULL;

        if (below(r, 6) == 0) { /* Jcc, LOOP or JCXZ over the next one */
            out[n++] = (uint8_t)(below(r, 4) ? 0x70 + below(r, 16) : 0xe0 + below(r, 4));
            jump = &out[n++];
        }
        if (below(r, 10) == 0)
            n += choose_repeated(r, s, out + n);
        if (below(r, 12) == 0)
            n += choose_df_change(r, s, out + n, features);
        if (below(r, 6) == 0)
            n += choose_segment_load(r, s, out + n);
        if (below(r, 16) == 0)
            n += choose_flags(r, s, out + n);
        if (below(r, 8) == 0 && is_real_or_v86(s)) {
            n += choose_far(r, s, out + n, CODE + s->offset + at + n);
            *leaves_cs = true;
        }
        n += choose_defined(r, s, &any, out + n, features);
        if (jump)
            *jump = (uint8_t)(out + n - (jump + 1));
    }
    return n;
}

/* Ends in the code segment that it begins in: from piece to piece lead near jumps to offsets. */
static void put_straight(struct piece *p, unsigned at)
{
    bool leaves_cs;

    p->n += choose_straight(p->r, p->s, 1 + below(p->r, 12), at + p->n, PIECE_ROOM - FAR_JUMP - p->n, p->bytes + p->n,
                            p->features, &leaves_cs);
    if (leaves_cs)
        p->n += put_far_jump(p->bytes + p->n, CODE + p->s->offset + at + p->n, 0);
}

static void choose_piece(struct piece *p, unsigned at)
{
    struct rng *r = p->r;

    do {
        assert_true(has_room(p, 400));
        switch (below(r, p->s->modifies_itself ? 9 : 8)) {
        case 0:
        case 1:
            put_accesses(p, false);
            break;
        case 2:
            put_accesses(p, true);
            break;
        case 3:
            put_stack(p);
            break;
        case 4:
            put_loop(p);
            break;
        case 7:
            put_stack_run(p, at);
            break;
        case 8:
            put_self_modification(p, at);
            break;
        default:
            put_straight(p, at);
            break;
        }
    } while (below(r, 2) && p->n < 220);
}

/* ---- from piece to piece ---- */

/* On from `at`, an offset from the program's first byte, to `to`. Changes no flag. */
static unsigned put_link(struct rng *r, const struct scene *s, uint8_t *out, unsigned at, unsigned to)
{
    const unsigned size = is_code32(s) ? 4 : 2, kind = below(r, 8);
    const uint32_t target = program_eip(s) + to;
    unsigned n = 0;

    switch (kind) {
    case 0: /* mov reg, target; jmp reg, or call */
        out[n++] = 0xb8 + EDI;
        memcpy(out + n, &target, size);
        n += size;
        out[n++] = 0xff;
        out[n++] = (uint8_t)((below(r, 4) ? 0xe0 : 0xd0) + EDI);
        return n;
    case 1: /* push target; ret */
        out[n++] = 0x68;
        memcpy(out + n, &target, size);
        n += size;
        out[n++] = 0xc3;
        return n;
    case 2: /* jcc and the opposite jcc */
    case 3: {
        const unsigned condition = below(r, 16);

        for (unsigned i = 0; i < 2; i++) {
            out[n++] = 0x0f;
            out[n++] = (uint8_t)(0x80 + (condition ^ i));
            memcpy(out + n, &(uint32_t){to - (at + n + size)}, size);
            n += size;
        }
        return n;
    }
    default:
        out[n++] = kind == 4 ? 0xe8 : 0xe9;
        memcpy(out + n, &(uint32_t){to - (at + n + size)}, size);
        return n + size;
    }
}

/* Fills out[]; the program begins at its first byte and ends with HLT. Returns its length. */
static unsigned choose_program(struct rng *r, const struct scene *s, uint8_t *out, uint32_t features)
{
    unsigned order[PIECES_MAX], start[PIECES_MAX], link[PIECES_MAX], pieces, n = 0;

    if (below(r, 3) == 0) {
        bool leaves_cs;

        n = choose_straight(r, s, 1 + below(r, STRAIGHT_MAX), 0, MAX_PROGRAM - 1, out, features, &leaves_cs);
        out[n++] = 0xf4;
        return n;
    }
    /* order[i] is the piece that lies i-th in memory. The first to run lies first, so that execution begins there. */
    pieces = 1 + below(r, PIECES_MAX);
    for (unsigned i = 0; i < pieces; i++)
        order[i] = i;
    for (unsigned i = 1; i < pieces; i++) {
        const unsigned k = i + below(r, pieces - i), swap = order[i];

        order[i] = order[k];
        order[k] = swap;
    }
    for (unsigned i = 0; i < pieces; i++) {
        struct piece p = {.r = r, .s = s, .features = features};

        start[order[i]] = n;
        choose_piece(&p, n);
        memcpy(out + n, p.bytes, p.n);
        link[order[i]] = n + p.n;
        memset(out + n + p.n, 0x90, LINK_ROOM);
        n += p.n + LINK_ROOM;
    }
    for (unsigned i = 0; i + 1 < pieces; i++)
        put_link(r, s, out + link[i], link[i], start[i + 1]);
    out[link[pieces - 1]] = 0xf4;
    return n;
}

#endif
