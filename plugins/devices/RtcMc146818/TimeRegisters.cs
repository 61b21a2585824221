namespace Vmm.Plugins.RtcMc146818;

/// <summary>Writes and reads a time of day in the formats that register B selects.</summary>
internal static class TimeRegisters
{
    private const byte Pm = 0x80;

    /// <summary>Stores a time, in seconds since 1970-01-01, in the ten time registers and the century.</summary>
    public static void Store(Span<byte> memory, long unixSeconds)
    {
        var format = memory[Register.B];
        var time = DateTimeOffset.FromUnixTimeSeconds(unixSeconds);
        memory[Register.Seconds] = Encode(time.Second, format);
        memory[Register.Minutes] = Encode(time.Minute, format);
        memory[Register.Hours] = EncodeHours(time.Hour, format);
        memory[Register.DayOfWeek] = Encode((int)time.DayOfWeek + 1, format);
        memory[Register.DayOfMonth] = Encode(time.Day, format);
        memory[Register.Month] = Encode(time.Month, format);
        memory[Register.Year] = Encode(time.Year % 100, format);
        memory[Register.Century] = Encode(time.Year / 100, format);
    }

    /// <summary>The time in the registers, in seconds since 1970-01-01. What cannot be a date becomes the nearest that can.</summary>
    public static long Load(ReadOnlySpan<byte> memory)
    {
        var format = memory[Register.B];
        var year = Math.Clamp((Decode(memory[Register.Century], format) * 100) + Math.Min(Decode(memory[Register.Year], format), 99), 1, 9999);
        var month = Math.Clamp(Decode(memory[Register.Month], format), 1, 12);
        var day = Math.Clamp(Decode(memory[Register.DayOfMonth], format), 1, DateTime.DaysInMonth(year, month));
        var hours = Math.Min(DecodeHours(memory[Register.Hours], format), 23);
        var minutes = Math.Min(Decode(memory[Register.Minutes], format), 59);
        var seconds = Math.Min(Decode(memory[Register.Seconds], format), 59);
        return new DateTimeOffset(year, month, day, hours, minutes, seconds, TimeSpan.Zero).ToUnixTimeSeconds();
    }

    /// <summary>Whether the alarm rings at a second of the day. A register of 0xC0 or more matches everything.</summary>
    public static bool AlarmMatches(ReadOnlySpan<byte> memory, int secondOfDay)
    {
        var format = memory[Register.B];
        return Matches(memory[Register.SecondsAlarm], Encode(secondOfDay % 60, format))
            && Matches(memory[Register.MinutesAlarm], Encode(secondOfDay / 60 % 60, format))
            && Matches(memory[Register.HoursAlarm], EncodeHours(secondOfDay / 3600, format));

        static bool Matches(byte alarm, byte time) => alarm >= 0xc0 || alarm == time;
    }

    private static byte Encode(int value, byte format) =>
        (byte)((format & RegisterB.Binary) != 0 ? value : ((value / 10) << 4) | (value % 10));

    private static int Decode(byte value, byte format) =>
        (format & RegisterB.Binary) != 0 ? value : ((value >> 4) * 10) + (value & 15);

    private static byte EncodeHours(int hours, byte format)
    {
        if ((format & RegisterB.TwentyFourHours) != 0)
        {
            return Encode(hours, format);
        }

        var encoded = Encode(hours % 12 == 0 ? 12 : hours % 12, format);
        return (byte)(hours >= 12 ? encoded | Pm : encoded);
    }

    private static int DecodeHours(byte value, byte format) =>
        (format & RegisterB.TwentyFourHours) != 0
            ? Decode(value, format)
            : (Decode((byte)(value & ~Pm), format) % 12) + ((value & Pm) != 0 ? 12 : 0);
}
