using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.EndToEnd.Tests.Guests;

/// <summary>Pieces of which the small guests are made. They run in 32-bit protected mode without paging.</summary>
internal static class SmallGuests
{
    /// <summary>The PM1 control register of the board, and what turns it off: SLP_EN with the type of S5.</summary>
    private const ushort PowerControlPort = 0x604;
    private const ushort SoftOff = (1 << 13) | (5 << 10);

    private const ushort SerialPort = 0x3F8;
    private const ushort LineStatus = SerialPort + 5;
    private const byte TransmitterEmpty = 0x20;

    /// <summary>Sends a text to COM1.</summary>
    public static void Send(this Assembler a, string text)
    {
        foreach (char character in text)
        {
            a.mov(al, (byte)character);
            a.SendAl();
        }
    }

    /// <summary>Sends AL to COM1 once there is room; changes AH and DX.</summary>
    public static void SendAl(this Assembler a)
    {
        Label wait = a.CreateLabel();
        a.mov(ah, al);
        a.mov(dx, LineStatus);
        a.Label(ref wait);
        a.@in(al, dx);
        a.test(al, TransmitterEmpty);
        a.jz(wait);
        a.mov(dx, SerialPort);
        a.mov(al, ah);
        a.@out(dx, al);
    }

    /// <summary>Writes a byte to a port.</summary>
    public static void WritePort(this Assembler a, ushort port, byte value)
    {
        a.mov(dx, port);
        a.mov(al, value);
        a.@out(dx, al);
    }

    /// <summary>Turns the machine off.</summary>
    public static void PowerOff(this Assembler a)
    {
        a.mov(dx, PowerControlPort);
        a.mov(ax, SoftOff);
        a.@out(dx, ax);
        a.Stop();
    }

    /// <summary>Does nothing for ever.</summary>
    public static void Stop(this Assembler a)
    {
        Label here = a.CreateLabel();
        a.Label(ref here);
        a.hlt();
        a.jmp(here);
    }
}
