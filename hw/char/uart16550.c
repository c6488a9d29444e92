/*
 * National Semiconductor PC16550D UART with FIFOs. Source: National Semiconductor PC16550D datasheet; IBM PC AT
 * Technical Reference for the OUT2 interrupt gate.
 * Deviates: a character takes no time on the line. What is written goes to the host at once and THRE stays set, unless
 * the host is busy: then it waits in the transmitter FIFO. Only the THRE interrupt waits for THRE_INTERRUPT_NS, since
 * drivers give up on a transmitter that wants more within one interrupt handler for ever. The receiver is as fast as
 * the guest reads. Characters have 8 bits whatever LCR says, parity and framing errors do not occur, and sending a
 * break reaches the far end in loopback only.
 */
#include "hw/char/uart16550.h"

#include <stdlib.h>
#include <string.h>

enum { UART_RBR_THR_DLL, UART_IER_DLM, UART_IIR_FCR, UART_LCR, UART_MCR, UART_LSR, UART_MSR, UART_SCR };

enum {
    UART_IER_ERBFI = 1 << 0, /* received data */
    UART_IER_ETBEI = 1 << 1, /* THR empty */
    UART_IER_ELSI = 1 << 2,  /* line status */
    UART_IER_EDSSI = 1 << 3, /* modem status */
    UART_IER_MASK = 0x0f,

    UART_IIR_NONE = 0x01,
    UART_IIR_MODEM_STATUS = 0x00,
    UART_IIR_THR_EMPTY = 0x02,
    UART_IIR_DATA = 0x04,
    UART_IIR_LINE_STATUS = 0x06,
    UART_IIR_TIMEOUT = 0x0c,
    UART_IIR_FIFOS = 0xc0,

    UART_FCR_ENABLE = 1 << 0,
    UART_FCR_CLEAR_RX = 1 << 1,
    UART_FCR_CLEAR_TX = 1 << 2,
    UART_FCR_DMA = 1 << 3,
    UART_FCR_TRIGGER_SHIFT = 6,

    UART_LCR_WLS = 0x03, /* 5 to 8 bits */
    UART_LCR_STB = 1 << 2,
    UART_LCR_PEN = 1 << 3,
    UART_LCR_BREAK = 1 << 6,
    UART_LCR_DLAB = 1 << 7,

    UART_MCR_DTR = 1 << 0,
    UART_MCR_RTS = 1 << 1,
    UART_MCR_OUT1 = 1 << 2,
    UART_MCR_OUT2 = 1 << 3,
    UART_MCR_LOOP = 1 << 4,
    UART_MCR_MASK = 0x1f,

    UART_LSR_DR = 1 << 0,
    UART_LSR_OE = 1 << 1,
    UART_LSR_PE = 1 << 2,
    UART_LSR_FE = 1 << 3,
    UART_LSR_BI = 1 << 4,
    UART_LSR_THRE = 1 << 5,
    UART_LSR_TEMT = 1 << 6,
    UART_LSR_FIFO_ERROR = 1 << 7,
    UART_LSR_OF_CHARACTER = UART_LSR_PE | UART_LSR_FE | UART_LSR_BI,

    UART_MSR_DCTS = 1 << 0,
    UART_MSR_DDSR = 1 << 1,
    UART_MSR_TERI = 1 << 2,
    UART_MSR_DDCD = 1 << 3,
    UART_MSR_LINES = 0xf0,
};

#define FIFO_SIZE         16
#define INPUT_HZ          1843200
#define THRE_INTERRUPT_NS (50 * NS_PER_US)

struct uart16550 {
    uint8_t ier, lcr, mcr, scr;
    uint8_t fcr;    /* FIFO enable, DMA mode, trigger level */
    uint8_t errors; /* LSR bits 1 to 4: OE, and what came with the character on top of the receiver FIFO */
    uint8_t lines;  /* MSR bits 4 to 7 as the far end drives them */
    uint8_t deltas; /* MSR bits 0 to 3 */
    uint8_t dll, dlm;
    uint8_t thre_is_pending, timeout_is_pending; /* interrupts */
    uint8_t rx[FIFO_SIZE], rx_errors[FIFO_SIZE], rx_head, rx_count;
    uint8_t tx[FIFO_SIZE], tx_head, tx_count;
    int64_t thre_ns;    /* when the THRE interrupt becomes pending, or CLOCK_NEVER */
    int64_t timeout_ns; /* when the character timeout does */
    struct irq irq;
    struct host_char *host;
    struct timer timer;
    bool is_in_host; /* guards against a host that calls back from write() or accept_input() */
};

static const struct state_field uart_fields[] = {
    STATE_REG(struct uart16550, ier, 0x00, "IER"),
    STATE_REG(struct uart16550, lcr, 0x00, "LCR"),
    STATE_REG(struct uart16550, mcr, 0x00, "MCR"),
    STATE_REG(struct uart16550, scr, 0x00, "SCR"),
    STATE_REG(struct uart16550, fcr, 0x00, "FCR"),
    STATE_REG(struct uart16550, errors, 0x00, "LSR, error bits"),
    STATE_REG(struct uart16550, lines, 0x00, "MSR, lines"),
    STATE_REG(struct uart16550, deltas, 0x00, "MSR, deltas"),
    STATE_REG(struct uart16550, dll, 0x0c, "DLL"),
    STATE_REG(struct uart16550, dlm, 0x00, "DLM"),
    STATE_REG(struct uart16550, thre_is_pending, 0, "THRE interrupt"),
    STATE_REG(struct uart16550, timeout_is_pending, 0, "character timeout interrupt"),
    STATE_BLOB(struct uart16550, rx, 0, "receiver FIFO"),
    STATE_BLOB(struct uart16550, rx_errors, 0, "LSR bits of each character"),
    STATE_REG(struct uart16550, rx_head, 0, "oldest character"),
    STATE_REG(struct uart16550, rx_count, 0, "characters in it"),
    STATE_BLOB(struct uart16550, tx, 0, "transmitter FIFO"),
    STATE_REG(struct uart16550, tx_head, 0, "oldest character"),
    STATE_REG(struct uart16550, tx_count, 0, "characters in it"),
    STATE_REG(struct uart16550, thre_ns, CLOCK_NEVER, "THRE interrupt due"),
    STATE_REG(struct uart16550, timeout_ns, CLOCK_NEVER, "character timeout due"),
};
static const struct state_desc uart_desc = STATE_DESC("uart16550", uart_fields);

const struct state_desc *uart16550_state_desc(void)
{
    return &uart_desc;
}

/* ---- derived from the registers ---- */

static bool fifo_is_on(const struct uart16550 *uart)
{
    return uart->fcr & UART_FCR_ENABLE;
}

static bool is_loopback(const struct uart16550 *uart)
{
    return uart->mcr & UART_MCR_LOOP;
}

static unsigned capacity(const struct uart16550 *uart)
{
    return fifo_is_on(uart) ? FIFO_SIZE : 1;
}

static unsigned rx_trigger(const struct uart16550 *uart)
{
    static const uint8_t level[4] = {1, 4, 8, 14};
    return fifo_is_on(uart) ? level[uart->fcr >> UART_FCR_TRIGGER_SHIFT] : 1;
}

/* Time on the line of one character with start, parity and stop bits. */
static int64_t character_ns(const struct uart16550 *uart)
{
    unsigned bits =
        1 + 5 + (uart->lcr & UART_LCR_WLS) + (uart->lcr & UART_LCR_PEN ? 1 : 0) + (uart->lcr & UART_LCR_STB ? 2 : 1);
    unsigned divisor = (unsigned)uart->dlm << 8 | uart->dll;
    return (int64_t)bits * (divisor ? divisor : 0x10000) * 16 * NS_PER_SECOND / INPUT_HZ;
}

static uint8_t lsr(const struct uart16550 *uart)
{
    uint8_t value = uart->errors;
    if (uart->rx_count)
        value |= UART_LSR_DR;
    if (uart->tx_count == 0)
        value |= UART_LSR_THRE | UART_LSR_TEMT;
    for (unsigned i = 0; fifo_is_on(uart) && i < uart->rx_count; i++)
        if (uart->rx_errors[(uart->rx_head + i) % FIFO_SIZE])
            value |= UART_LSR_FIFO_ERROR;
    return value;
}

/* In loopback the four outputs take the place of the four inputs. */
static uint8_t modem_lines(const struct uart16550 *uart)
{
    if (!is_loopback(uart))
        return uart->lines;
    return (uart->mcr & UART_MCR_RTS ? UART16550_CTS : 0) | (uart->mcr & UART_MCR_DTR ? UART16550_DSR : 0) |
           (uart->mcr & UART_MCR_OUT1 ? UART16550_RI : 0) | (uart->mcr & UART_MCR_OUT2 ? UART16550_DCD : 0);
}

/* The interrupt of highest priority, as IIR bits 3..0 show it. */
static uint8_t interrupt(const struct uart16550 *uart)
{
    if (uart->ier & UART_IER_ELSI && uart->errors)
        return UART_IIR_LINE_STATUS;
    if (uart->ier & UART_IER_ERBFI && uart->rx_count >= rx_trigger(uart))
        return UART_IIR_DATA;
    if (uart->ier & UART_IER_ERBFI && uart->timeout_is_pending)
        return UART_IIR_TIMEOUT;
    if (uart->ier & UART_IER_ETBEI && uart->thre_is_pending)
        return UART_IIR_THR_EMPTY;
    if (uart->ier & UART_IER_EDSSI && uart->deltas)
        return UART_IIR_MODEM_STATUS;
    return UART_IIR_NONE;
}

/* The only place that drives INTR and arms the timer. Loopback turns the OUT2 pin off, and with it the PC's gate. */
static void update(struct uart16550 *uart)
{
    bool is_gated = !(uart->mcr & UART_MCR_OUT2) || is_loopback(uart);
    irq_set(&uart->irq, interrupt(uart) != UART_IIR_NONE && !is_gated);
    timer_set(&uart->timer, uart->thre_ns < uart->timeout_ns ? uart->thre_ns : uart->timeout_ns);
}

static void interrupt_due(void *opaque)
{
    struct uart16550 *uart = opaque;
    int64_t now = clock_now_ns(uart->timer.clock);
    if (uart->thre_ns <= now) {
        uart->thre_ns = CLOCK_NEVER;
        uart->thre_is_pending = 1;
    }
    if (uart->timeout_ns <= now) {
        uart->timeout_ns = CLOCK_NEVER;
        uart->timeout_is_pending = 1;
    }
    update(uart);
}

/* ---- receiver ---- */

/* Four character times without a new character or a read: the FIFO wants attention below its trigger level too. */
static void restart_timeout(struct uart16550 *uart)
{
    uart->timeout_is_pending = 0;
    uart->timeout_ns = CLOCK_NEVER;
    if (fifo_is_on(uart) && uart->rx_count)
        uart->timeout_ns = clock_now_ns(uart->timer.clock) + 4 * character_ns(uart);
}

/* LSR shows the errors of the character that comes to the top. */
static void reveal_errors(struct uart16550 *uart)
{
    if (uart->rx_count)
        uart->errors |= uart->rx_errors[uart->rx_head];
}

static void push_character(struct uart16550 *uart, uint8_t byte, uint8_t errors)
{
    if (uart->rx_count == capacity(uart)) {
        uart->errors |= UART_LSR_OE;
        if (fifo_is_on(uart))
            return;         /* the FIFO stays; the character in the shift register is lost */
        uart->rx_count = 0; /* RBR is overwritten */
    }
    unsigned slot = (uart->rx_head + uart->rx_count) % FIFO_SIZE;
    uart->rx[slot] = byte;
    uart->rx_errors[slot] = errors;
    uart->rx_count++;
    if (uart->rx_count == 1)
        reveal_errors(uart);
    restart_timeout(uart);
}

static void clear_receiver(struct uart16550 *uart)
{
    uart->rx_head = uart->rx_count = 0;
    restart_timeout(uart);
}

/* Lets the host deliver what it could not before. */
static void accept_input(struct uart16550 *uart)
{
    if (!uart->host || !uart->host->accept_input || uart->is_in_host || is_loopback(uart))
        return;
    uart->is_in_host = true;
    uart->host->accept_input(uart->host);
    uart->is_in_host = false;
}

static uint8_t read_rbr(struct uart16550 *uart)
{
    uint8_t byte = uart->rx[uart->rx_head];
    if (uart->rx_count == 0)
        return byte; /* the last character again */
    uint8_t next = (uint8_t)((uart->rx_head + 1) % FIFO_SIZE);
    if (--uart->rx_count)
        uart->rx_head = next;
    else
        uart->rx_errors[uart->rx_head] = 0;
    reveal_errors(uart);
    restart_timeout(uart);
    accept_input(uart);
    return byte;
}

static size_t host_can_receive(void *receiver)
{
    struct uart16550 *uart = receiver;
    return is_loopback(uart) ? 0 : capacity(uart) - uart->rx_count;
}

static void host_receive(void *receiver, const uint8_t *bytes, size_t count)
{
    struct uart16550 *uart = receiver;
    if (is_loopback(uart))
        return; /* SIN is disconnected */
    for (size_t i = 0; i < count; i++)
        push_character(uart, bytes[i], 0);
    update(uart);
}

void uart16550_receive_break(struct uart16550 *uart)
{
    if (is_loopback(uart))
        return;
    push_character(uart, 0, UART_LSR_BI);
    update(uart);
}

/* ---- transmitter ---- */

static void transmitter_emptied(struct uart16550 *uart)
{
    /* While the interrupt is off nobody can tell: switching it on raises it at once. */
    if (uart->ier & UART_IER_ETBEI && uart->thre_ns == CLOCK_NEVER)
        uart->thre_ns = clock_now_ns(uart->timer.clock) + THRE_INTERRUPT_NS;
}

/* Moves characters from the transmitter FIFO to the host, as many as it takes. */
static void flush(struct uart16550 *uart)
{
    if (uart->is_in_host)
        return;
    while (uart->tx_count) {
        unsigned run = FIFO_SIZE - uart->tx_head;
        if (run > uart->tx_count)
            run = uart->tx_count;
        uart->is_in_host = true;
        size_t taken = uart->host ? uart->host->write(uart->host, uart->tx + uart->tx_head, run) : run;
        uart->is_in_host = false;
        if (taken == 0)
            return; /* host_drained() goes on */
        if (taken > run)
            taken = run;
        uart->tx_head = (uint8_t)((uart->tx_head + taken) % FIFO_SIZE);
        uart->tx_count = (uint8_t)(uart->tx_count - taken);
    }
    transmitter_emptied(uart);
}

static void host_drained(void *receiver)
{
    struct uart16550 *uart = receiver;
    if (uart->tx_count == 0)
        return;
    flush(uart);
    update(uart);
}

static void write_thr(struct uart16550 *uart, uint8_t byte)
{
    uart->thre_is_pending = 0;
    if (is_loopback(uart)) {
        push_character(uart, byte, 0);
        transmitter_emptied(uart);
        return;
    }
    if (uart->tx_count == capacity(uart)) {
        if (fifo_is_on(uart))
            return;         /* a full FIFO drops what is written */
        uart->tx_count = 0; /* THR is overwritten */
    }
    uart->tx[(uart->tx_head + uart->tx_count++) % FIFO_SIZE] = byte;
    flush(uart);
}

/* ---- modem status ---- */

/* `before`: the lines as MSR showed them. */
static void note_deltas(struct uart16550 *uart, uint8_t before)
{
    uint8_t after = modem_lines(uart), changed = before ^ after;
    if (changed & UART16550_CTS)
        uart->deltas |= UART_MSR_DCTS;
    if (changed & UART16550_DSR)
        uart->deltas |= UART_MSR_DDSR;
    if (changed & UART16550_RI && !(after & UART16550_RI))
        uart->deltas |= UART_MSR_TERI; /* trailing edge only */
    if (changed & UART16550_DCD)
        uart->deltas |= UART_MSR_DDCD;
}

void uart16550_set_modem_lines(struct uart16550 *uart, uint8_t lines)
{
    uint8_t before = modem_lines(uart);
    uart->lines = lines & UART_MSR_LINES;
    note_deltas(uart, before);
    update(uart);
}

/* ---- registers ---- */

static void write_ier(struct uart16550 *uart, uint8_t value)
{
    uint8_t switched_on = (uint8_t)(value & ~uart->ier);
    uart->ier = value & UART_IER_MASK;
    /* Enabling the THRE interrupt while THR is empty raises it. */
    if (switched_on & UART_IER_ETBEI && uart->tx_count == 0) {
        uart->thre_is_pending = 1;
        uart->thre_ns = CLOCK_NEVER;
    }
}

static void write_fcr(struct uart16550 *uart, uint8_t value)
{
    /* Switching the FIFOs on or off empties both. */
    bool is_switch = (value ^ uart->fcr) & UART_FCR_ENABLE;
    bool had_output = uart->tx_count;
    /* The other bits are programmed only together with bit 0. */
    uart->fcr = value & UART_FCR_ENABLE ? value & (UART_FCR_ENABLE | UART_FCR_DMA | 3 << UART_FCR_TRIGGER_SHIFT) : 0;
    if (is_switch || (fifo_is_on(uart) && value & UART_FCR_CLEAR_RX)) {
        clear_receiver(uart);
        accept_input(uart);
    }
    if (is_switch || (fifo_is_on(uart) && value & UART_FCR_CLEAR_TX)) {
        uart->tx_head = uart->tx_count = 0;
        if (had_output)
            transmitter_emptied(uart);
    }
}

static void write_lcr(struct uart16550 *uart, uint8_t value)
{
    bool starts_break = value & (uint8_t)~uart->lcr & UART_LCR_BREAK;
    uart->lcr = value;
    if (starts_break && is_loopback(uart))
        push_character(uart, 0, UART_LSR_BI);
}

static void write_mcr(struct uart16550 *uart, uint8_t value)
{
    uint8_t before = modem_lines(uart);
    bool was_loopback = is_loopback(uart);
    uart->mcr = value & UART_MCR_MASK;
    note_deltas(uart, before);
    if (was_loopback)
        accept_input(uart);
}

static void uart_write(void *self, uint32_t offset, uint32_t value32, unsigned width)
{
    struct uart16550 *uart = self;
    uint8_t value = (uint8_t)value32;
    bool dlab = uart->lcr & UART_LCR_DLAB;
    switch (offset) {
    case UART_RBR_THR_DLL:
        if (dlab)
            uart->dll = value;
        else
            write_thr(uart, value);
        break;
    case UART_IER_DLM:
        if (dlab)
            uart->dlm = value;
        else
            write_ier(uart, value);
        break;
    case UART_IIR_FCR:
        write_fcr(uart, value);
        break;
    case UART_LCR:
        write_lcr(uart, value);
        break;
    case UART_MCR:
        write_mcr(uart, value);
        break;
    case UART_SCR:
        uart->scr = value;
        break;
    default: /* LSR is for factory tests, MSR read-only */
        break;
    }
    update(uart);
}

static uint8_t read_iir(struct uart16550 *uart)
{
    uint8_t id = interrupt(uart);
    if (id == UART_IIR_THR_EMPTY)
        uart->thre_is_pending = 0; /* reading it while it is the source clears it */
    return id | (fifo_is_on(uart) ? UART_IIR_FIFOS : 0);
}

static uint32_t uart_read(void *self, uint32_t offset, unsigned width)
{
    struct uart16550 *uart = self;
    bool dlab = uart->lcr & UART_LCR_DLAB;
    uint8_t value;
    switch (offset) {
    case UART_RBR_THR_DLL:
        value = dlab ? uart->dll : read_rbr(uart);
        break;
    case UART_IER_DLM:
        value = dlab ? uart->dlm : uart->ier;
        break;
    case UART_IIR_FCR:
        value = read_iir(uart);
        break;
    case UART_LCR:
        value = uart->lcr;
        break;
    case UART_MCR:
        value = uart->mcr;
        break;
    case UART_LSR:
        value = lsr(uart);
        uart->errors = 0;
        if (uart->rx_count)
            uart->rx_errors[uart->rx_head] = 0; /* shown now, so no longer an error in the FIFO */
        break;
    case UART_MSR:
        value = modem_lines(uart) | uart->deltas;
        uart->deltas = 0;
        break;
    default:
        value = uart->scr;
        break;
    }
    update(uart);
    return value;
}

const struct bus_ops uart16550_ops = {.name = "uart16550", .read = uart_read, .write = uart_write, .max_width = 1};

/* ---- life ---- */

struct uart16550 *uart16550_create(struct clock *clock, struct irq irq, struct host_char *host)
{
    struct uart16550 *uart = calloc(1, sizeof *uart);
    if (!uart)
        return NULL;
    uart->irq = irq;
    uart->host = host;
    timer_init(&uart->timer, clock, interrupt_due, uart);
    state_reset(&uart_desc, uart);
    if (host) {
        uart->lines = UART16550_CTS | UART16550_DSR | UART16550_DCD;
        host->can_receive = host_can_receive;
        host->receive = host_receive;
        host->drained = host_drained;
        host->receiver = uart;
    }
    return uart;
}

void uart16550_destroy(struct uart16550 *uart)
{
    if (!uart)
        return;
    if (uart->host) {
        uart->host->can_receive = NULL;
        uart->host->receive = NULL;
        uart->host->drained = NULL;
        uart->host->receiver = NULL;
    }
    timer_cancel(&uart->timer);
    free(uart);
}

void uart16550_reset(struct uart16550 *uart)
{
    uint8_t lines = uart->lines, scr = uart->scr, dll = uart->dll, dlm = uart->dlm;
    state_reset(&uart_desc, uart);
    uart->lines = lines;
    uart->scr = scr;
    uart->dll = dll;
    uart->dlm = dlm;
    update(uart);
    accept_input(uart);
}

void uart16550_after_load(struct uart16550 *uart)
{
    uart->rx_head %= FIFO_SIZE;
    uart->tx_head %= FIFO_SIZE;
    if (uart->rx_count > capacity(uart))
        uart->rx_count = (uint8_t)capacity(uart);
    if (uart->tx_count > capacity(uart))
        uart->tx_count = (uint8_t)capacity(uart);
    flush(uart);
    update(uart);
}
