namespace Vmm.Plugins.RtcMc146818;

/// <summary>Places in the clock's memory (MC146818 data sheet, figure 9; the century and what follows it are PC convention).</summary>
internal static class Register
{
    public const int Seconds = 0x00;
    public const int SecondsAlarm = 0x01;
    public const int Minutes = 0x02;
    public const int MinutesAlarm = 0x03;
    public const int Hours = 0x04;
    public const int HoursAlarm = 0x05;
    public const int DayOfWeek = 0x06;
    public const int DayOfMonth = 0x07;
    public const int Month = 0x08;
    public const int Year = 0x09;
    public const int A = 0x0a;
    public const int B = 0x0b;
    public const int C = 0x0c;
    public const int D = 0x0d;
    public const int Century = 0x32;

    public static bool IsTime(int register) =>
        register is Seconds or Minutes or Hours or (>= DayOfWeek and <= Year) or Century;
}

internal static class RegisterA
{
    public const byte UpdateInProgress = 0x80;
    public const byte Divider = 0x70;
    public const byte Rate = 0x0f;
    public const byte DividerRunning = 0x20;
}

internal static class RegisterB
{
    public const byte Set = 0x80;
    public const byte UpdateEndedInterrupt = 0x10;
    public const byte Binary = 0x04;
    public const byte TwentyFourHours = 0x02;

    /// <summary>What the reset line clears: the three interrupt enables and the square wave (data sheet, "RESET").</summary>
    public const byte ClearedByReset = 0x78;
}

internal static class RegisterC
{
    public const byte InterruptRequest = 0x80;
    public const byte Periodic = 0x40;
    public const byte Alarm = 0x20;
    public const byte UpdateEnded = 0x10;

    /// <summary>The flags have the places of their enables in register B.</summary>
    public const byte Flags = Periodic | Alarm | UpdateEnded;
}
